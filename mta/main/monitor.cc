#include "mta/main/monitor.h"

#include <utility>

#include "mta/base/log.h"

namespace relay {
namespace {

SessionSums sum(const std::vector<const SessionCounts*>& loops) {
  SessionSums sums;
  for (const SessionCounts* counts : loops) {
    sums.open += counts->open();
    sums.total += counts->total();
    for (std::size_t i = 0; i < turned_away_reasons; ++i)
      sums.turned_away[i] += counts->turned_away(static_cast<TurnedAway>(i));
  }
  return sums;
}

template <class T>
std::optional<T> readable(Result<T> value) {
  if (value) return std::move(*value);
  log::warn("metrics: the spool could not be read: {}", value.error().message);
  return std::nullopt;
}

}  // namespace

void Monitor::add(const SessionCounts& smtp, const SessionCounts& inbound, const SessionCounts& http) {
  smtp_.push_back(&smtp);
  inbound_.push_back(&inbound);
  http_.push_back(&http);
}

void Monitor::scrape(Loop& home, std::move_only_function<void(std::string)> done) {
  ports_.dispatcher.stats(home,
                          [this, &home, done = std::move(done)](const queue::SchedulerStats& queue) mutable {
                            Snapshot snapshot = take(home);
                            snapshot.queue = queue;
                            done(exposition(snapshot));
                          });
}

Snapshot Monitor::take(const Loop& home) const {
  Snapshot snapshot;
  snapshot.version = facts_.version;
  snapshot.started = facts_.started;
  snapshot.durability = facts_.durability;
  snapshot.possible_repeats = facts_.possible_repeats;
  snapshot.process = process_stats();
  snapshot.writer = ports_.writer.stats();
  snapshot.counts = readable(ports_.store.counts());
  snapshot.space = readable(ports_.store.space());
  snapshot.in_flight = ports_.in_flight.stats();
  snapshot.intake = ports_.intake.stats();
  if (ports_.certificates != nullptr) snapshot.tls = ports_.certificates->status();
  snapshot.auth = ports_.guard.stats(home);
  snapshot.smtp = sum(smtp_);
  snapshot.inbound = sum(inbound_);
  snapshot.bounces = ports_.inbound.stats();
  snapshot.http = sum(http_);
  snapshot.smtp_content = ports_.smtp_places.content().used();
  snapshot.inbound_content = ports_.inbound_places.content().used();
  snapshot.claimed = ports_.dispatcher.restored();
  return snapshot;
}

}  // namespace relay
