// Crashes at every boundary of a commit, and at any other moment: what was acknowledged is there afterwards,
// nothing else is wrong, and the mail goes on. World::crash() checks what it finds; see checks.cc.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <optional>

#include "tests/sim/scenario.h"

using namespace relay;
using namespace relay::sim;
using namespace std::chrono_literals;
using queue::Control;
using spool::Status;

namespace {

constexpr std::array kinds = {Crash::before_commit, Crash::after_commit};

void busy_run(World& w) {
  busy_hosts(w);
  const auto ids = busy_mail(w);
  w.run(1min);
  w.check();
  finish(w);
}

std::uint64_t length(std::uint64_t seed, std::uint64_t (*measure)(const World&)) {
  World w(seed);
  busy_run(w);
  return measure(w);
}
std::uint64_t commits(const World& w) { return w.commits; }
std::uint64_t steps(const World& w) { return w.loop.steps(); }

}  // namespace

TEST_CASE("a crash at every commit boundary of a busy run") {
  std::uint64_t crashes = 0;
  for (std::uint64_t seed = 800; seed < 800 + times(4); ++seed) {
    const std::uint64_t all = length(seed, commits);
    CHECK(all > 50);
    for (std::uint64_t n = 1; n <= all; ++n)
      for (const Crash kind : kinds) {
        CAPTURE(n);
        CAPTURE(static_cast<int>(kind));
        World w(seed);
        w.crash_at = [&](std::uint64_t commit) { return commit == n ? kind : Crash::none; };
        busy_run(w);
        CHECK(w.crashes == 1);
        ++crashes;
      }
  }
  MESSAGE(crashes, " crashes at commit boundaries");
}

TEST_CASE("two and three crashes in a row, in the start after the first too") {
  std::uint64_t crashes = 0;
  for (std::uint64_t seed = 820; seed < 820 + times(2); ++seed) {
    const std::uint64_t all = length(seed, commits);
    for (std::uint64_t n = 1; n + 3 <= all; n += 2)
      for (unsigned choice = 0; choice < 8; ++choice) {
        CAPTURE(n);
        CAPTURE(choice);
        World w(seed);
        w.crash_at = [&](std::uint64_t commit) {
          if (commit == n) return kinds[choice & 1];
          if (commit == n + 1) return kinds[choice >> 1 & 1];
          return commit == n + 3 && (choice & 4) ? Crash::before_commit : Crash::none;
        };
        busy_run(w);
        CHECK(w.crashes >= 2);
        crashes += w.crashes;
      }
  }
  MESSAGE(crashes, " crashes");
}

TEST_CASE("a crash at any step of a busy run, between a host's answer and its outcome too") {
  for (std::uint64_t seed = 840; seed < 840 + times(4); ++seed) {
    const std::uint64_t all = length(seed, steps);
    SeededRng rng(seed);
    for (int i = 0; i < 60; ++i) {
      World w(seed);
      w.crash_step = 1 + rng.below(all);
      CAPTURE(w.crash_step);
      busy_run(w);
      CHECK(w.crashes == 1);
    }
  }
}

TEST_CASE("a crash at the boundary of a command's commit: what was answered stays, what was not may") {
  // One recipient waits, one is held, one is in flight.
  for (const Control what : {Control::retry, Control::hold, Control::release, Control::cancel})
    for (std::uint64_t n = 0; n < 4; ++n)
      for (const Crash kind : kinds) {
        CAPTURE(static_cast<int>(what));
        CAPTURE(n);
        World w(860 + n);
        HostScript later, slow;
        later.act = [](Point p, const std::string&, Instant now) {
          return p == Point::rcpt && now < Instant(30s) ? Act{.kind = Act::Kind::reply, .text = "451 later"}
                                                        : Act{};
        };
        slow.act = [](Point p, const std::string&, Instant) {
          return Act{.kind = Act::Kind::usual, .text = "", .pause = p == Point::final_dot ? 5s : 0s};
        };
        w.host("a.example", "192.0.2.1", later);
        w.host("b.example", "192.0.2.2", slow);
        const auto id = w.submit({"wait@a.example"}), held = w.submit({"held@a.example"});
        w.run(1s);
        w.control(Control::hold, {.message = held, .domain = {}});
        w.submit({"flight@b.example"});
        w.run(2s);
        const std::uint64_t first = w.commits + 1;
        w.crash_at = [&](std::uint64_t commit) { return commit == first + n ? kind : Crash::none; };
        bool answered = false;
        w.scheduler->control(what, {},
                             [&](const Result<queue::ControlResult>& r) { answered = r.has_value(); });
        w.run(10s);
        const bool stored = answered || kind == Crash::after_commit;
        if (n == 0) CHECK(!answered);
        const auto status = [&](const MessageId& message) { return w.recipient(message).status; };
        if (stored && what == Control::hold) CHECK(status(id) == Status::held);
        if (stored && what == Control::cancel) CHECK(status(held) == Status::cancelled);
        if (stored && what == Control::release) CHECK(status(held) != Status::held);
        if (!stored && what == Control::cancel) CHECK(status(held) == Status::held);
        w.crash_at = nullptr;
        w.control(Control::release, {});
        CHECK(w.run_until_done(10h));
        w.check();
      }
}
