// Parts of random runs: hosts with trouble of their own, and administrators at work.
#pragma once
#include "tests/sim/world.h"

namespace relay::sim {

struct Trouble {
  double fault = 0.03;  // at each point of each session
  double outage = 0.2;  // share of hosts that are down at a time
  bool crashes = false;
  bool commands = false;
  bool disk = false;  // full, read-only, slow, gone until a restart
};

// The spool's disk has its own weather too.
void stormy_disk(World& w);

// A host with its own weather: down now and then for hours, faults in between.
HostScript stormy(World& w, const Trouble& trouble);
// A command of an administrator, to one message or to many.
void command(World& w, const std::vector<MessageId>& ids);

// A busy run: hosts d0 to d4.example take mail, defer it for 2 minutes, lose their answers, are down for 10
// minutes, and are stormy; batches are small. 30 messages in a few seconds, amid an administrator's commands.
// In the end nothing is held, and hours pass until everything has come to its end.
void busy_hosts(World& w);
std::vector<MessageId> busy_mail(World& w);
void finish(World& w);

// How many runs of a kind: RELAY_SIM_TIMES=10 makes ten times as many.
std::uint64_t times(std::uint64_t usual);

}  // namespace relay::sim
