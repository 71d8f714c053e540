#include "mta/queue/shaper.h"

#include <doctest/doctest.h>

#include <vector>

namespace relay::queue {
namespace {

using namespace std::chrono_literals;

const ShapingSettings usual;
const Shaper::Reason too_fast{Cause::throttling, Scope::site, "451 4.7.1 slow down"};

// Sends at this rate for that long, each going well; answers how many it was let.
int send(Shaper& shaper, Instant& now, double rate, Duration time) {
  int sent = 0;
  const Instant end = now + time;
  const auto pause = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(1 / rate));
  for (; now < end; now += pause) {
    if (shaper.next() > now) continue;
    shaper.begun(now);
    shaper.went_well(now, now, usual);
    ++sent;
  }
  return sent;
}

TEST_CASE("shaper: without a word from the host nothing is held back") {
  Shaper shaper;
  Instant now(1h);
  CHECK_FALSE(shaper.limited());
  CHECK(send(shaper, now, 100, 1s) == 100);
}

TEST_CASE("shaper: halves what it measured, pauses, and grows steadily back") {
  Shaper shaper;
  Instant now(1h);
  send(shaper, now, 10, 30s);
  CHECK(shaper.slow_down(now, now, too_fast, Duration::zero(), usual));
  CHECK(shaper.next() == now + usual.first_pause);
  CHECK(shaper.rate() == doctest::Approx(5).epsilon(0.1));
  CHECK(shaper.reason().reply == "451 4.7.1 slow down");
  now += usual.first_pause;
  const double start = shaper.rate();
  CHECK(send(shaper, now, 1000, 10s) == doctest::Approx(start * 10).epsilon(0.1));
  send(shaper, now, 1000, usual.recovery / 2 - 10s);
  CHECK(shaper.rate() == doctest::Approx(2 * start).epsilon(0.1));
  send(shaper, now, 1000, 5min);
  CHECK(shaper.limited());  // not yet for long enough
  send(shaper, now, 1000, 5min);
  CHECK_FALSE(shaper.limited());
}

TEST_CASE("shaper: transactions that were under way together are one refusal") {
  Shaper shaper;
  const Instant began(1h), now = began + 2s;
  shaper.begun(began);
  CHECK(shaper.slow_down(began, now, too_fast, 5min, usual));
  CHECK(shaper.next() == now + 5min);
  const double rate = shaper.rate();
  CHECK_FALSE(shaper.slow_down(began + 1s, now + 1s, too_fast, 10min, usual));
  CHECK(shaper.rate() == rate);
  CHECK(shaper.next() == now + 5min);
}

TEST_CASE(
    "shaper: pauses double while the host goes on refusing, up to a bound, and so does not the rate sink for "
    "ever") {
  Shaper shaper;
  Instant now(1h);
  std::vector<Duration> pauses;
  for (int i = 0; i < 12; ++i) {
    shaper.begun(now);
    CHECK(shaper.slow_down(now, now, too_fast, Duration::zero(), usual));
    pauses.push_back(shaper.paused_until() - now);
    now = shaper.next();
  }
  CHECK(pauses[0] == 30s);
  CHECK(pauses[1] == 60s);
  CHECK(pauses[6] == 32min);
  CHECK(pauses[7] == 1h);
  CHECK(shaper.rate() == doctest::Approx(usual.slowest));
}

TEST_CASE("shaper: when something has gone well in between the pause is the first again") {
  Shaper shaper;
  Instant now(1h);
  for (int i = 0; i < 3; ++i) {
    shaper.begun(now);
    shaper.slow_down(now, now, too_fast, Duration::zero(), usual);
    now = shaper.next();
  }
  CHECK(shaper.times() == 3);
  shaper.went_well(shaper.slowed_at(), now, usual);  // that had begun before
  CHECK(shaper.times() == 3);
  shaper.went_well(now, now, usual);
  CHECK(shaper.times() == 0);
  now += 1s;
  shaper.slow_down(now, now, too_fast, Duration::zero(), usual);
  CHECK(shaper.paused_until() == now + usual.first_pause);
}

}  // namespace
}  // namespace relay::queue
