// What must hold after every run.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tests/sim/world.h"

namespace relay::sim {
namespace {

using spool::EventType;
using spool::Status;

struct Seen {
  std::size_t times = 0;
  std::size_t lost = 0;  // of them with a reply the sender never got
};

std::map<std::pair<std::string, std::string>, Seen> seen_by_hosts(const World& world) {
  std::map<std::pair<std::string, std::string>, Seen> seen;
  for (const auto& [address, host] : world.net.hosts())
    for (const Delivered& d : host->delivered) {
      Seen& one = seen[{d.message, d.recipient}];
      ++one.times;
      if (d.reply_lost) ++one.lost;
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
  const WallTime end = view.message.accepted + std::chrono::ceil<std::chrono::milliseconds>(retry.window);
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

}  // namespace

void World::check() {
  INFO("RELAY_SIM_SEED=", seed);
  const auto seen = seen_by_hosts(*this);
  std::uint64_t open = 0;
  for (const auto& [id, sent] : ledger) {
    const auto found = store->find(id);
    REQUIRE(found.has_value());
    if (!*found) {  // only what was never acknowledged may be lost
      CHECK(!sent.acknowledged);
      continue;
    }
    INFO("message ", id.text());
    for (std::uint32_t i = 0; i < sent.recipients.size(); ++i) {
      INFO("recipient ", sent.recipients[i]);
      const spool::RecipientState& state = (*found)->recipients.at(i);
      const auto history = events(id, i);
      check_status(state, history);
      if (!controlled) check_pauses(settings.retry, **found, history);
      if (!spool::terminal(state.status)) ++open;
      const auto at = seen.find({id.text(), sent.recipients[i]});
      const Seen got = at == seen.end() ? Seen{} : at->second;
      if (state.status == Status::delivered) CHECK(got.times >= 1);
      // Again only if the host's word was lost, or our memory of it, and then a start has said so.
      const auto counted = repeats.find({id, i});
      CHECK(got.times <= 1 + got.lost + (counted == repeats.end() ? 0 : counted->second));
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
  CHECK(scheduler->stats().open == open);
}

}  // namespace relay::sim
