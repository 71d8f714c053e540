#include "mta/base/timer_wheel.h"

#include <doctest/doctest.h>

#include <map>
#include <vector>

#include "mta/base/rng.h"

namespace relay {
namespace {

constexpr Instant start{std::chrono::hours(5)};
constexpr Duration tick{std::int64_t{1} << TimerWheel::tick_shift};

TEST_CASE("a timer fires at its time or within a tick after it, however far away") {
  for (const Duration wait :
       {Duration(1), Duration(std::chrono::milliseconds(1)), Duration(std::chrono::milliseconds(267)),
        Duration(std::chrono::seconds(17)), Duration(std::chrono::minutes(5)),
        Duration(std::chrono::hours(72)), Duration(std::chrono::hours(24 * 400)),
        Duration(std::chrono::hours(24 * 365 * 100))}) {
    CAPTURE(wait.count());
    TimerWheel wheel(start);
    Instant now = start;
    bool fired = false;
    wheel.add(start + wait, [&] { fired = true; });
    int wakes = 0;
    while (!fired) {
      REQUIRE(wheel.next() < never);
      REQUIRE(wheel.next() > now);
      now = wheel.next();
      wheel.advance(now - Duration(1));
      REQUIRE_FALSE(fired);
      wheel.advance(now);
      ++wakes;
    }
    CHECK(now >= start + wait);
    CHECK(now <= start + wait + tick);
    CHECK(wakes <= 7);
    CHECK(wheel.size() == 0);
    CHECK(wheel.next() == never);
  }
}

TEST_CASE("a time that has passed fires at the next advance, one armed by a task at the one after") {
  TimerWheel wheel(start);
  int fired = 0;
  wheel.add(Instant{}, [&] {
    ++fired;
    wheel.add(Instant{}, [&] { ++fired; });
  });
  CHECK(wheel.next() <= start);
  wheel.advance(start);
  CHECK(fired == 1);
  CHECK(wheel.next() <= start);
  wheel.advance(start);
  CHECK(fired == 2);
}

TEST_CASE("`never` does not fire and wakes nobody") {
  TimerWheel wheel(start);
  bool fired = false;
  wheel.add(never, [&] { fired = true; });
  for (int i = 0; i < 8 && wheel.next() != never; ++i) wheel.advance(wheel.next());
  CHECK_FALSE(fired);
}

TEST_CASE("cancelling: once, before firing; a task may cancel its neighbours and itself") {
  TimerWheel wheel(start);
  std::vector<int> fired;
  TimerId second;
  TimerId first;
  first = wheel.add(start + tick, [&] {
    fired.push_back(1);
    CHECK_FALSE(wheel.cancel(first));
    CHECK(wheel.cancel(second));
  });
  second = wheel.add(start + tick, [&] { fired.push_back(2); });
  const TimerId third = wheel.add(start + tick, [&] { fired.push_back(3); });
  const TimerId gone = wheel.add(start + std::chrono::hours(1), [&] { fired.push_back(4); });
  CHECK(wheel.cancel(gone));
  CHECK_FALSE(wheel.cancel(gone));
  const TimerId heir = wheel.add(start + tick, [&] { fired.push_back(5); });  // takes the same place
  CHECK(heir != gone);
  CHECK_FALSE(wheel.cancel(gone));
  wheel.advance(start + tick * 2);
  CHECK(fired == std::vector{1, 3, 5});
  CHECK_FALSE(wheel.cancel(third));
  CHECK_FALSE(wheel.cancel(TimerId{}));
}

TEST_CASE("timers of one tick fire in the order they were armed, also across wheels") {
  TimerWheel wheel(start);
  std::vector<int> fired;
  const Instant when = start + std::chrono::minutes(20);
  wheel.add(when, [&] { fired.push_back(1); });
  wheel.advance(when - std::chrono::seconds(10));
  wheel.add(when, [&] { fired.push_back(2); });
  wheel.advance(when - tick * 2);
  wheel.add(when, [&] { fired.push_back(3); });
  wheel.advance(when + tick);
  CHECK(fired == std::vector{1, 2, 3});
}

TEST_CASE("ten thousand timers against a sorted map") {
  SeededRng rng(20261121);
  TimerWheel wheel(start);
  std::multimap<Instant, TimerId> expected;
  Instant now = start;
  std::size_t fired = 0;
  std::size_t cancelled = 0;
  const auto arm = [&] {
    const Duration wait(static_cast<std::int64_t>(rng.next() >> (24 + rng.below(40))));
    const Instant when = now + wait;
    auto at = expected.emplace(when, TimerId{});
    at->second = wheel.add(when, [&, at, when] {
      CHECK(when <= now);
      CHECK(now - when < tick * 2);
      expected.erase(at);
      ++fired;
    });
  };
  for (int i = 0; i < 10'000; ++i) arm();
  for (int i = 0; i < 1000; ++i) {
    auto at = expected.lower_bound(start + Duration(static_cast<std::int64_t>(rng.next() >> 26)));
    if (at == expected.end()) continue;
    CHECK(wheel.cancel(at->second));
    expected.erase(at);
    ++cancelled;
  }
  while (wheel.next() != never) {
    now = std::max(now, wheel.next());
    wheel.advance(now);
    if (fired % 7 == 0 && fired < 5000) arm();
  }
  CHECK(expected.empty());
  CHECK(fired + cancelled >= 10'000);
}

}  // namespace
}  // namespace relay
