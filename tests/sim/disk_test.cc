// A disk that fails for good, cannot be written to for a while, or is slow.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/sim/scenario.h"

using namespace relay;
using namespace relay::sim;
using namespace std::chrono_literals;

namespace {

std::size_t delivered(const World& w) {
  std::size_t count = 0;
  for (const auto& [address, host] : w.net.hosts()) count += host->delivered.size();
  return count;
}

std::size_t refused(const World& w, Errc code) {
  return static_cast<std::size_t>(
      std::ranges::count_if(w.ledger, [&](const auto& each) { return each.second.refused == code; }));
}

// One message every ten seconds, to hosts that take it.
void trickle(World& w, Duration time) {
  for (const Instant end = w.loop.now() + time; w.loop.now() < end; w.run(10s))
    w.submit({"r@d0.example", "s@d1.example"});
}

}  // namespace

TEST_CASE(
    "a final error at every commit: nothing is acknowledged after it, deliveries go on, a start finds it "
    "all") {
  std::uint64_t errors = 0;
  for (std::uint64_t seed = 900; seed < 900 + times(2); ++seed)
    for (const Disk kind : {Disk::failing, Disk::failing_late})
      for (std::uint64_t n = 1; n < 60; ++n) {
        CAPTURE(n);
        CAPTURE(static_cast<int>(kind));
        World w(seed);
        bool broken = true;
        w.disk = [&] { return broken && w.commits >= n ? kind : Disk::well; };
        busy_hosts(w);
        busy_mail(w);
        w.run(1min);
        if (w.writer->state() != spool::WriterState::failed) continue;  // a shorter run
        const std::size_t before = delivered(w), acknowledged = w.acknowledged();
        w.run(15min);  // d3 is well again
        w.check();
        trickle(w, 1min);
        CHECK(w.acknowledged() == acknowledged);
        if (acknowledged > 20) CHECK(delivered(w) > before);
        broken = false;
        w.rng.below(2) == 0 ? w.crash() : w.restart();
        finish(w);
        ++errors;
      }
  MESSAGE(errors, " final errors");
  CHECK(errors > 100);
}

TEST_CASE(
    "full or read-only for a while: mail is refused, deliveries go on and are recorded once it is well") {
  struct Kind {
    Disk disk;
    Errc code;
  };
  for (const auto& [kind, code] : {Kind{Disk::no_room_for_mail, Errc::full}, Kind{Disk::full, Errc::full},
                                   Kind{Disk::unavailable, Errc::unavailable}}) {
    std::size_t meanwhile = 0;
    for (std::uint64_t seed = 910; seed < 910 + times(10); ++seed)
      for (const bool crash : {false, true}) {
        CAPTURE(static_cast<int>(kind));
        CAPTURE(crash);
        World w(seed);
        Instant from = Instant(std::chrono::milliseconds(w.rng.below(3000))), to = Instant(20min);
        w.disk = [&, disk = kind] {
          const bool now = w.loop.now() >= from && w.loop.now() < to;
          return now ? disk : Disk::well;
        };
        busy_hosts(w);
        busy_mail(w);
        w.run(5s);
        const std::size_t acknowledged = w.acknowledged(), before = delivered(w);
        trickle(w, 14min);
        CHECK(w.acknowledged() == acknowledged);
        CHECK(refused(w, code) >= 80);
        w.check();
        meanwhile += delivered(w) - before;
        if (crash) w.crash();
        w.run(to - w.loop.now());
        // Well again: what has happened is on record within a pause, and mail is taken again.
        w.run(w.writer_settings.full_pause + 1s);
        CHECK(w.writer->quiet());
        w.check();
        const auto id = w.submit({"r@d0.example"});
        w.run(1s);
        CHECK(w.acknowledged(id));
        finish(w);
        CHECK(w.writer->state() != spool::WriterState::failed);
      }
    CHECK(meanwhile > 50);
  }
}

TEST_CASE("slow commits: everybody waits, in order, and what waits shares the next commit") {
  for (std::uint64_t seed = 940; seed < 940 + times(20); ++seed) {
    World w(seed);
    const bool crash = seed % 2 == 1;
    w.commit_time = [&]() -> Duration {
      static constexpr Duration some[] = {1ms, 50ms, 2s, 30s, 10min};
      return some[w.rng.below(std::size(some))];
    };
    busy_hosts(w);
    const auto ids = busy_mail(w);
    const std::uint64_t commits = w.commits;
    w.run(1min);
    if (crash) w.crash();
    w.run(3h);
    CHECK(w.writer->quiet());
    if (!crash) {
      CHECK(w.acknowledged() == ids.size());
      CHECK(commits < ids.size());
    }
    finish(w);
  }
}

TEST_CASE(
    "slow commits: over its bound the writer refuses mail at once, and takes it again after the commit") {
  World w(970);
  w.writer_settings.queue_bytes = 50'000;
  w.commit_time = [] { return 5min; };
  w.host("d0.example", "192.0.2.1");
  for (int i = 0; i < 20; ++i) w.submit({"r@d0.example"}, std::string(8000, 'x') + "\r\n");
  CHECK(refused(w, Errc::full) == 15);
  w.run(11min);
  CHECK(w.acknowledged() == 5);
  const auto id = w.submit({"r@d0.example"}, std::string(8000, 'x') + "\r\n");
  w.run(20min);
  CHECK(w.acknowledged(id));
  CHECK(w.run_until_done(1h));
  w.check();
}
