// Monitor: takes the snapshot a scrape shows. Parts that belong to a loop are asked on it; all else is read
// where the scrape came in.
//
// add() before any loop runs; scrape() from any loop. What it was given outlives it.
#pragma once
#include <string>
#include <vector>

#include "mta/base/metrics.h"
#include "mta/intake/admission.h"
#include "mta/main/exposition.h"
#include "mta/main/session_counts.h"
#include "mta/queue/dispatcher.h"
#include "spool/store.h"

namespace relay {

class Monitor final : public metrics::Source {
 public:
  struct Ports {
    const spool::Store& store;
    const spool::ThreadWriter& writer;
    const spool::InFlight& in_flight;
    const intake::Intake& intake;
    const intake::Inbound& inbound;
    queue::Dispatcher& dispatcher;
    intake::AuthGuard& guard;
    const Admission& smtp_places;
    const Admission& inbound_places;
    const net::CertificateStore* certificates = nullptr;  // null: there are none
  };
  // What does not change while the program runs.
  struct Facts {
    std::string version;
    WallTime started;
    spool::Durability durability = spool::Durability::sync;
    std::uint64_t possible_repeats = 0;
  };
  Monitor(Ports ports, Facts facts) : ports_(ports), facts_(std::move(facts)) {}

  // Of one loop.
  void add(const SessionCounts& smtp, const SessionCounts& inbound, const SessionCounts& http);
  void scrape(Loop& home, std::move_only_function<void(std::string)> done) override;

 private:
  Snapshot take(const Loop& home) const;

  const Ports ports_;
  const Facts facts_;
  std::vector<const SessionCounts*> smtp_, inbound_, http_;
};

}  // namespace relay
