#include "mta/intake/key_use.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

using namespace relay;
using namespace relay::intake;
using namespace std::chrono_literals;
using Limit = KeyUse::Over::Limit;

namespace {

constexpr Instant start = Instant(1000s);
constexpr WallTime noon = WallTime(std::chrono::days(20'000) + 12h);

spool::KeyPolicy rate(std::uint32_t in_thousand_seconds, std::uint32_t burst = 0) {
  spool::KeyPolicy policy;
  policy.rate = in_thousand_seconds;
  policy.burst = burst;
  return policy;
}

int taken_at(KeyUse& use, const spool::KeyPolicy& policy, Instant now) {
  int taken = 0;
  while (taken < 1000 && use.take(policy, now, noon)) ++taken;
  return taken;
}

}  // namespace

TEST_CASE("a key without limits is never over one") {
  KeyUse use;
  CHECK(taken_at(use, {}, start) == 1000);
  CHECK_FALSE(use.over({}, start, noon).has_value());
}

TEST_CASE("a rate: what may come at once, and then one in each interval") {
  struct Case {
    spool::KeyPolicy policy;
    int at_once;
    Duration interval;
  };
  for (const auto& [policy, at_once, interval] : {
           Case{rate(500), 2, 2s},         // 0.5 a second
           Case{rate(1), 1, 1000s},        // the least
           Case{rate(1000), 5, 1s},        // half as much again for ten seconds
           Case{rate(10'000), 50, 100ms},  //
           Case{rate(1000, 1), 1, 1s},     // no burst
           Case{rate(500, 10), 10, 2s},    // as set
       }) {
    CAPTURE(policy.rate);
    KeyUse use;
    CHECK(taken_at(use, policy, start) == at_once);
    CHECK(use.over(policy, start, noon).has_value());
    CHECK(taken_at(use, policy, start + interval - 1ns) == 0);
    CHECK_FALSE(use.over(policy, start + interval, noon).has_value());
    CHECK(taken_at(use, policy, start + interval) == 1);
    CHECK(taken_at(use, policy, start + 3 * interval) == std::min(2, at_once));
    CHECK(taken_at(use, policy, start + 3 * interval + 2000 * interval) == at_once);  // no more than that
  }
}

TEST_CASE("the wait is what remains, in whole seconds") {
  KeyUse use;
  const auto policy = rate(100, 1);  // one in ten seconds
  CHECK(use.take(policy, start, noon).has_value());
  for (const auto& [later, wait] :
       {std::pair(Duration(0s), 10s), {Duration(500ms), 10s}, {Duration(9s), 1s}, {Duration(9900ms), 1s}}) {
    const auto taken = use.take(policy, start + later, noon);
    REQUIRE_FALSE(taken.has_value());
    CHECK(taken.error().limit == Limit::rate);
    CHECK(taken.error().wait == wait);
    CHECK(use.over(policy, start + later, noon)->wait == wait);
  }
}

TEST_CASE("what was taken for nothing is given back, and a new rate begins anew") {
  KeyUse use;
  auto policy = rate(1, 1);
  policy.daily = 2;
  CHECK(use.take(policy, start, noon).has_value());
  CHECK_FALSE(use.take(policy, start, noon).has_value());
  use.give_back(policy, spool::day_of(noon));
  CHECK(use.sent(spool::day_of(noon)) == 0);
  CHECK(use.take(policy, start, noon).has_value());
  use.forget_rate();
  CHECK(use.take(policy, start, noon).has_value());
  CHECK(use.sent(spool::day_of(noon)) == 2);
}

TEST_CASE("a day ends at midnight UTC, wherever the rate stands") {
  spool::KeyPolicy policy;
  policy.daily = 3;
  KeyUse use(spool::day_of(noon), 1);  // of the process before
  CHECK(taken_at(use, policy, start) == 2);
  const auto taken = use.take(policy, start, noon);
  REQUIRE_FALSE(taken.has_value());
  CHECK(taken.error().limit == Limit::day);
  CHECK(taken.error().wait == 12h);
  CHECK(use.over(policy, start, noon)->limit == Limit::day);
  policy.rate = 1000;
  CHECK(use.take(policy, start, noon).error().limit == Limit::day);
  CHECK(use.take(policy, start, noon).error().limit == Limit::day);  // it has given the rate's share back
  const WallTime last = noon + 12h - 1ms;
  CHECK(use.take(policy, start, last).error().wait == 1s);
  CHECK(use.take(policy, start, noon + 12h).has_value());
  CHECK(use.sent(spool::day_of(noon + 12h)) == 1);
  use.give_back(policy, spool::day_of(noon));  // of yesterday: today's stand
  CHECK(use.sent(spool::day_of(noon + 12h)) == 1);
  KeyUse old(spool::day_of(noon) - 1, 3);
  CHECK(old.take(policy, start, noon).has_value());
}

TEST_CASE("a clock that is late by a moment does not take a new day back") {
  spool::KeyPolicy policy;
  policy.daily = 3;
  const WallTime midnight = noon + 12h;
  KeyUse use(spool::day_of(noon), 2);
  CHECK(use.take(policy, start, midnight).has_value());
  const auto late = use.take(policy, start, midnight - 1ms);  // another loop's clock
  REQUIRE(late.has_value());
  CHECK(use.sent(spool::day_of(midnight)) == 2);
  use.give_back(policy, *late);  // the store has failed
  CHECK(use.sent(spool::day_of(midnight)) == 1);
  CHECK(use.take(policy, start, midnight - 1ms).value() == *late);
  CHECK(use.sent(spool::day_of(noon)) == 2);
  use.give_back(policy, spool::day_of(midnight));
  CHECK(use.sent(spool::day_of(midnight)) == 1);
  KeyUse wrong(spool::day_of(noon) + 2, 3);  // by a clock that was days ahead
  CHECK(wrong.take(policy, start, noon).has_value());
  CHECK(wrong.sent(spool::day_of(noon)) == 1);
}

TEST_CASE("many threads take no more than there is") {
  spool::KeyPolicy policy = rate(1, 500);
  policy.daily = 400;
  KeyUse use;
  std::atomic<int> taken = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&, i] {
        for (int n = 0; n < 300; ++n) {
          if (!use.take(policy, start, noon)) continue;
          if ((n + i) % 3 == 0)
            use.give_back(policy, spool::day_of(noon));
          else
            ++taken;
          static_cast<void>(use.over(policy, start, noon));
        }
      });
  }
  CHECK(taken <= 400);
  CHECK(use.sent(spool::day_of(noon)) == static_cast<std::uint64_t>(taken));
  int left = 0;
  while (use.take(policy, start, noon)) ++left;
  CHECK(taken + left == 400);
}
