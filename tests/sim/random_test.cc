// Whole days of mail with everything going wrong at random: hosts that fail at any point for a while, sites
// of several hosts, administrators, crashes at commits. The checks of World::check() say what must hold.
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "tests/sim/scenario.h"

using namespace relay;
using namespace relay::sim;
using namespace std::chrono_literals;
using queue::Control;

namespace {

void day(std::uint64_t seed, const Trouble& trouble) {
  queue::SchedulerSettings settings = World::quick();
  SeededRng choice(seed_or(seed));
  settings.connections_per_site = 1 + static_cast<std::uint32_t>(choice.below(6));
  settings.connections_at_first = 1 + static_cast<std::uint32_t>(choice.below(6));
  settings.connections = 2 + static_cast<std::uint32_t>(choice.below(20));
  settings.messages_per_connection = 1 + static_cast<std::uint32_t>(choice.below(20));
  settings.recipients_per_transaction = 1 + static_cast<std::uint32_t>(choice.below(5));
  settings.body_bytes = choice.below(3) * 4000;
  settings.load_unasked_bytes = 500 + 1500 * choice.below(2);
  settings.recipients_per_slice = 1 + static_cast<std::uint32_t>(choice.below(20));
  World w(seed, settings);
  INFO("RELAY_SIM_SEED=", w.seed);
  for (int domain = 0; domain < 10; ++domain)  // d10 and d11 do not exist
    for (std::uint64_t host = 0; host <= w.rng.below(3); ++host)
      w.host("d" + std::to_string(domain) + ".example",
             "192.0." + std::to_string(domain) + "." + std::to_string(host), stormy(w, trouble));
  if (trouble.crashes)
    w.crash_at = [&w](std::uint64_t) {
      const auto dice = w.rng.below(200);
      return dice == 0   ? SimWriter::Crash::before_commit
             : dice == 1 ? SimWriter::Crash::after_commit
                         : SimWriter::Crash::none;
    };
  if (trouble.disk) stormy_disk(w);
  w.load_act = [&w](std::uint64_t) {
    const Duration pause = w.rng.below(20) == 0 ? std::chrono::seconds(w.rng.below(300))
                                                : Duration(std::chrono::microseconds(w.rng.below(20000)));
    return SimLoader::Act{.pause = pause, .fail = w.rng.below(100) == 0};
  };
  std::vector<MessageId> ids;
  for (int i = 0; i < 150; ++i) {
    std::vector<std::string> recipients;
    for (std::uint64_t r = 0; r <= w.rng.below(6); ++r)
      recipients.push_back("r" + std::to_string(r) + "@d" + std::to_string(w.rng.below(12)) + ".example");
    ids.push_back(w.submit(recipients, std::string(w.rng.below(3000), 'x') + "\r\n"));
    w.run(w.rng.below(3) == 0 ? std::chrono::seconds(w.rng.below(1200)) : Duration{});
    if (trouble.commands && w.rng.below(5) == 0) command(w, ids);
    if (trouble.crashes && w.rng.below(60) == 0) w.restart();
    if (w.writer->state() == spool::WriterState::failed && w.rng.below(4) == 0)
      w.rng.below(2) == 0 ? w.crash() : w.restart();
  }
  w.run(1h);
  w.check();  // on the way too
  w.disk = nullptr;
  w.commit_time = nullptr;
  if (w.writer->state() == spool::WriterState::failed) w.crash();
  w.run(1h);
  if (trouble.commands) w.control(Control::release);
  CHECK(w.run_until_done(80h));
  w.check();
}

// Days with seeds from `first`, and one nobody has seen yet; or the one of RELAY_SIM_SEED alone.
void days(std::uint64_t first, const Trouble& trouble) {
  if (std::getenv("RELAY_SIM_SEED")) return day(first, trouble);
  for (std::uint64_t seed = first; seed < first + times(30); ++seed) day(seed, trouble);
  const std::uint64_t fresh = std::random_device()();
  std::printf("RELAY_SIM_SEED=%llu\n", static_cast<unsigned long long>(fresh));
  day(fresh, trouble);
}

}  // namespace

TEST_CASE("random trouble at hosts") { days(100, {}); }

TEST_CASE("random trouble at hosts, and an administrator at work") { days(200, {.commands = true}); }

TEST_CASE("random trouble at hosts, crashes and restarts") { days(300, {.crashes = true}); }

TEST_CASE("random trouble at hosts and with the spool's disk") { days(350, {.disk = true}); }

TEST_CASE("everything at once") {
  days(400, {.fault = 0.1, .outage = 0.4, .crashes = true, .commands = true});
  days(450, {.fault = 0.1, .outage = 0.4, .crashes = true, .commands = true, .disk = true});
}

TEST_CASE("a run is repeatable") {
  const auto run = [] {
    World w(500);
    w.host("a.example", "192.0.2.1", stormy(w, {.fault = 0.2}));
    for (int i = 0; i < 50; ++i) w.submit({"r@a.example", "s@a.example"});
    CHECK(w.run_until_done(80h));
    return std::pair(w.loop.steps(), w.loop.now());
  };
  CHECK(run() == run());
}
