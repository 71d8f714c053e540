// Parts of random runs: hosts with trouble of their own, and administrators at work.
#pragma once
#include "tests/sim/world.h"

namespace relay::sim {

struct Trouble {
  double fault = 0.03;  // at each point of each session
  double outage = 0.2;  // share of hosts that are down at a time
  bool crashes = false;
  bool commands = false;
};

// A host with its own weather: down now and then for hours, faults in between.
HostScript stormy(World& w, const Trouble& trouble);
// A command of an administrator, to one message or to many.
void command(World& w, const std::vector<MessageId>& ids);
// How many runs of a kind: RELAY_SIM_TIMES=10 makes ten times as many.
std::uint64_t times(std::uint64_t usual);

}  // namespace relay::sim
