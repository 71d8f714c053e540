// The bound on outcomes that the store does not have: what is delivered while it takes nothing, and what a
// crash can repeat then.
#include <doctest/doctest.h>

#include "tests/sim/world.h"

using namespace relay;
using namespace relay::sim;
using namespace std::chrono_literals;
using spool::WriterState;

namespace {

constexpr std::uint64_t bound = 40;

// Two hosts that are down, and more mail for them than the bound, all of it accepted.
struct Backlog {
  explicit Backlog(std::uint64_t seed, std::uint32_t connections) : w(seed, settings(connections)) {
    HostScript script;
    script.act = [this](Point p, const std::string&, Instant) {
      return p == Point::connect && !up ? Act{.kind = Act::Kind::refuse, .text = ""} : Act{};
    };
    a = &w.host("a.example", "192.0.2.1", script);
    b = &w.host("b.example", "192.0.2.2", script);
    w.disk = [this] { return disk; };
    for (int i = 0; i < 100; ++i) {
      w.submit({"r@a.example"});
      w.submit({"r@b.example", "s@b.example"});
    }
    w.run(10s);
    REQUIRE(w.acknowledged() == 200);
    REQUIRE(delivered() == 0);
  }
  static queue::SchedulerSettings settings(std::uint32_t connections) {
    auto s = World::quick();
    s.unrecorded = bound;
    s.connections_per_site = 3;
    s.connections = connections;
    return s;
  }
  std::size_t delivered() const { return a->delivered.size() + b->delivered.size(); }

  static constexpr std::size_t all = 300;
  // What may come on top of the bound: the transactions of every connection, of two recipients at most.
  static constexpr std::uint64_t under_way = 2 * 3 * 2;

  bool up = false;
  Disk disk = Disk::well;
  World w;
  SimHost *a = nullptr, *b = nullptr;
};

// Hosts up, the disk in trouble: deliveries go on to the bound and stand still there.
void deliver_to_the_bound(Backlog& q, Disk kind) {
  q.up = true;
  q.disk = kind;
  q.w.run(10min);
  const std::size_t delivered = q.delivered();
  CHECK(delivered + 2 >= bound);  // of each site's first probe the failure may be unrecorded too
  CHECK(delivered <= bound + Backlog::under_way);
  CHECK(q.w.writer->unrecorded() >= bound);
  CHECK(q.w.writer->unrecorded() <= bound + Backlog::under_way);
  q.w.run(2h);
  CHECK(q.delivered() == delivered);
  CHECK(q.w.net.open() == 0);  // nobody's connection is kept for nothing
  q.w.check();
}

}  // namespace

TEST_CASE("a store that takes nothing: deliveries go on to the bound, pause, and go on by themselves") {
  for (const Disk kind : {Disk::full, Disk::unavailable})
    for (const std::uint32_t connections : {500u, 2u}) {
      CAPTURE(static_cast<int>(kind));
      CAPTURE(connections);
      Backlog q(950, connections);
      deliver_to_the_bound(q, kind);
      CHECK(q.w.writer->state() == (kind == Disk::full ? WriterState::full : WriterState::unavailable));
      q.disk = Disk::well;
      q.w.run(q.w.writer_settings.full_pause + q.w.settings.recheck + 5s);
      CHECK(q.delivered() == Backlog::all);
      CHECK(q.w.writer->state() == WriterState::accepting);  // though nobody has sent anything
      CHECK(q.w.run_until_done(1min));
      CHECK(q.w.writer->unrecorded() == 0);
      CHECK(q.delivered() == Backlog::all);
      q.w.check();
    }
}

TEST_CASE("after a final error deliveries end at the bound, and a start repeats no more than that") {
  for (const bool crash : {false, true}) {
    CAPTURE(crash);
    Backlog q(951, 500);
    deliver_to_the_bound(q, Disk::failing);
    CHECK(q.w.writer->state() == WriterState::failed);
    CHECK(q.w.writer->stats().lost == q.w.writer->unrecorded());
    const std::uint64_t lost = q.w.writer->unrecorded();
    q.disk = Disk::well;
    q.w.run(1h);
    CHECK(q.w.writer->state() == WriterState::failed);
    crash ? q.w.crash() : q.w.restart();
    CHECK(q.w.run_until_done(1h));
    CHECK(q.delivered() > Backlog::all);
    CHECK(q.delivered() <= Backlog::all + lost);
    q.w.check();
  }
}

TEST_CASE("a slow commit alone stops deliveries only at the bound") {
  Backlog q(952, 500);
  q.up = true;
  q.w.commit_time = [] { return Duration(30s); };
  q.w.writer->commit_time = q.w.commit_time;
  std::uint64_t most = 0;
  for (int i = 0; i < 3000 && q.delivered() < Backlog::all; ++i) {
    q.w.run(200ms);
    most = std::max(most, q.w.writer->unrecorded());
  }
  CHECK(q.delivered() == Backlog::all);
  CHECK(most >= bound);
  CHECK(most <= bound + Backlog::under_way);
  CHECK(q.w.run_until_done(5min));
  q.w.check();
}
