// What must hold after every run.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "spool/inspect/check.h"
#include "tests/sim/world.h"

namespace relay::sim {
namespace {

using spool::EventType;
using spool::Status;

struct Seen {
  std::size_t times = 0;
  std::size_t lost = 0;   // of them with a reply the sender never got
  std::size_t known = 0;  // of them with a reply the sender has
};

std::map<std::pair<std::string, std::string>, Seen> seen_by_hosts(const World& world) {
  std::map<std::pair<std::string, std::string>, Seen> seen;
  for (const auto& [address, host] : world.net.hosts())
    for (const Delivered& d : host->delivered) {
      Seen& one = seen[{d.message, d.recipient}];
      ++one.times;
      if (d.reply_lost) ++one.lost;
      if (d.known) ++one.known;
    }
  return seen;
}

bool final_event(const spool::Event& e) {
  return e.type == EventType::delivered || e.type == EventType::failed || e.type == EventType::cancelled;
}

// Open, or exactly one terminal event that says the same as the status.
void check_status(const spool::RecipientState& state, const std::vector<spool::Event>& events) {
  const auto finals = std::ranges::count_if(events, final_event);
  if (!spool::terminal(state.status)) {
    CHECK(finals == 0);
    return;
  }
  CHECK(finals == 1);
  const EventType expected = state.status == Status::delivered ? EventType::delivered
                             : state.status == Status::failed  ? EventType::failed
                                                               : EventType::cancelled;
  CHECK(std::ranges::count(events, expected, &spool::Event::type) == 1);
}

// The pause after each deferral is at least the shortest the schedule allows; only the window's end cuts it.
void check_pauses(const queue::RetrySettings& retry, const spool::MessageView& view,
                  const std::vector<spool::Event>& events) {
  const WallTime end = view.message.since() + std::chrono::ceil<std::chrono::milliseconds>(retry.window);
  std::uint32_t attempts = 0;
  const spool::Event* before = nullptr;
  for (const spool::Event& e : events) {
    if (e.type != EventType::deferred && e.type != EventType::delivered && e.type != EventType::failed)
      continue;
    // Of a start after a crash: due at once.
    if (e.in_doubt && e.host.empty()) {
      ++attempts;
      before = nullptr;
      continue;
    }
    const bool expiry = e.type == EventType::failed && e.detail.starts_with("4.4.7");
    if (before && !expiry) {
      const double grown =
          std::chrono::duration<double>(retry.first).count() * std::pow(retry.factor, attempts - 1);
      const double shortest =
          std::min(grown, std::chrono::duration<double>(retry.longest).count()) * (1 - retry.jitter);
      const double paused = std::chrono::duration<double>(e.at - before->at).count();
      CHECK((paused >= shortest - 0.01 || e.at >= end));
    }
    if (expiry) CHECK(e.at >= end);
    ++attempts;
    before = &e;
  }
}

// The store has the content as long as somebody is to get it, and not longer.
void check_content(const spool::Store& store, const spool::MessageView& view, const std::string& body) {
  const bool open = std::ranges::any_of(
      view.recipients, [](const spool::RecipientState& r) { return !spool::terminal(r.status); });
  const auto loaded = store.load(view.message.id);
  if (open) {
    REQUIRE(loaded.has_value());
    CHECK((*loaded)->body->flatten() == body);
  } else {
    REQUIRE(!loaded.has_value());
    CHECK(loaded.error().code == Errc::not_found);
  }
}

bool of_attempt(const spool::Event& e) {
  return e.type == EventType::deferred || e.type == EventType::delivered || e.type == EventType::failed;
}

// Each attempt and each command is one event, and the times do not go back.
void check_history(const spool::RecipientState& state, const std::vector<spool::Event>& events) {
  CHECK(std::ranges::count_if(events, of_attempt) == state.attempts);
  CHECK(std::ranges::is_sorted(events, {}, &spool::Event::at));
}

}  // namespace

std::uint64_t World::attempts_on_record() {
  std::uint64_t attempts = 0;
  for (const auto& [id, sent] : ledger)
    if (const auto found = store->find(id); found && *found)
      attempts += static_cast<std::uint64_t>(std::ranges::count_if((*found)->events, of_attempt));
  return attempts;
}

void World::check_file() {
  INFO("RELAY_SIM_SEED=", seed);
  auto file = spool::SpoolFile::open(directory_);
  if (!file) {
    FAIL_CHECK(file.error().message);
    return;
  }
  const auto report = spool::check_spool(
      **file, {}, [](const spool::Fault& f) { FAIL_CHECK(spool::text(f.kind), ": ", f.what); },
      [](std::uint64_t, std::uint64_t) {});
  CHECK(report.has_value());
}

// The rules, which hold at any moment of a run:
// 1. What was acknowledged is in the store, and each of its recipients is open or has exactly one final
// event.
// 2. What was refused because the disk could not take it is nowhere: not in the store, and with no host.
// 3. A host has what the store calls delivered. It has it twice only if its own answer was lost, or if a
// start
//    after a crash has counted the recipient among those whose outcome was not recorded.
// 4. What memory knows of a delivery the store knows too, once the writer is done; open and held recipients
//    are the same in both, and every attempt is on record, none of them too late to count.
// 5. States are legal as in spool/FORMAT.md: content as long as a recipient is open, an event for each
// attempt.
// 6. What is in the spool's file when the process is gone has no fault at all (check_file(), at every stop).
// 7. Retries keep to the schedule, connections and content to their limits.
// on_answer() checks that answers come in the order of submission, and none is yes after a final error.
void World::check() {
  INFO("RELAY_SIM_SEED=", seed);
  const auto seen = seen_by_hosts(*this);
  const bool recorded = writer->quiet() && writer->state() != spool::WriterState::failed;
  std::uint64_t open = 0, held = 0;
  for (const auto& [id, sent] : ledger) {
    INFO("message ", id.text());
    const auto found = store->find(id);
    REQUIRE(found.has_value());
    if (sent.refused && sent.refused != Errc::system) CHECK(!*found);
    if (!*found) {  // only what was never acknowledged may be lost
      CHECK(!sent.acknowledged);
      for (const std::string& recipient : sent.recipients) CHECK(!seen.contains({id.text(), recipient}));
      continue;
    }
    check_content(*store, **found, sent.body);
    for (std::uint32_t i = 0; i < sent.recipients.size(); ++i) {
      INFO("recipient ", sent.recipients[i]);
      const spool::RecipientState& state = (*found)->recipients.at(i);
      const auto history = events(id, i);
      check_status(state, history);
      check_history(state, history);
      if (!controlled) check_pauses(settings.retry, **found, history);
      if (!spool::terminal(state.status)) ++open;
      if (state.status == Status::held) ++held;
      const auto at = seen.find({id.text(), sent.recipients[i]});
      const Seen got = at == seen.end() ? Seen{} : at->second;
      const auto counted = repeats.find({id, i});
      const std::size_t forgotten = counted == repeats.end() ? 0 : counted->second;
      if (state.status == Status::delivered) CHECK(got.times >= 1);
      CHECK(got.times <= 1 + got.lost + forgotten);
      if (recorded && got.known > forgotten) CHECK(state.status == Status::delivered);
    }
  }
  for (const auto& [address, host] : net.hosts()) {
    CHECK(host->most_open <= settings.connections_per_site);
    for (const Delivered& d : host->delivered) {
      const auto id = MessageId::parse(d.message);
      REQUIRE(id.has_value());
      CHECK(d.body == ledger.at(*id).body);
    }
  }
  CHECK(net.most_open() <= settings.connections);
  CHECK(in_flight->stats().uncovered == 0);
  if (!recorded) return;
  const queue::SchedulerStats stats = scheduler->stats();
  CHECK(stats.open == open);
  CHECK(stats.held == held);
  CHECK(attempts_on_record() - attempts_at_start_ == stats.delivered + stats.deferred + stats.failed);
  CHECK(writer->stats().stale == 0);
}

}  // namespace relay::sim
