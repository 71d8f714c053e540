// Exposition: the relay's metrics, from what its parts say of themselves. Pure; relayd(8) lists them, and a
// test compares.
#pragma once
#include <array>
#include <optional>
#include <span>
#include <string>

#include "mta/base/metrics.h"
#include "mta/base/process.h"
#include "mta/intake/accept.h"
#include "mta/intake/auth_guard.h"
#include "mta/intake/inbound.h"
#include "mta/main/session_counts.h"
#include "mta/net/certificates.h"
#include "mta/queue/scheduler.h"
#include "spool/in_flight.h"
#include "spool/lmdb.h"
#include "spool/writer.h"

namespace relay {

// Connections of one protocol, of all loops.
struct SessionSums {
  std::uint64_t open = 0, total = 0;
  std::array<std::uint64_t, turned_away_reasons> turned_away{};  // by TurnedAway
};

// Everything a scrape shows, as it was at one moment of each part.
struct Snapshot {
  std::string version;
  WallTime started;
  ProcessStats process;
  spool::Durability durability = spool::Durability::sync;
  spool::WriterStats writer;
  std::optional<spool::Counts> counts;  // not there if the store could not be read
  std::optional<spool::Space> space;    // the same
  spool::InFlightStats in_flight;
  std::uint64_t possible_repeats = 0;
  spool::Claimed claimed;       // at the start; nothing until it is done
  queue::SchedulerStats queue;  // of all loops
  intake::IntakeStats intake;
  intake::AuthGuardStats auth;
  intake::InboundStats bounces;
  SessionSums smtp, inbound, http;
  std::uint64_t smtp_content = 0, inbound_content = 0;  // bytes under way
  std::optional<net::CertificateStore::Status> tls;  // nothing without certificates
};

std::span<const metrics::Metric> all_metrics();
std::string exposition(const Snapshot& snapshot);

}  // namespace relay
