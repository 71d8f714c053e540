// crash_points: kills a child at every call by which it writes its spool, and fails every such call, while it
// accepts, delivers, defers, holds, cancels and purges; holds the spool against the ledger after each. Ends
// with figures, or at the first fault with what is wrong; the spool is kept then.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <chrono>
#include <filesystem>
#include <random>

#include "tests/crash/point.h"

namespace {

using namespace relay;
using namespace relay::crash;

struct Options {
  std::uint64_t points = 1000;
  std::uint64_t seed = 0;
  std::string directory;
  bool errors = true;
};

constexpr std::size_t steps_a_run = 60;
constexpr std::uint64_t runs_a_spool = 25;
constexpr std::size_t most_messages = 600;  // then a fresh spool: comparing takes time

constexpr const char* calls[] = {"write", "sync", "meta", "allocate"};
constexpr const char* kills[] = {"kill", "kill-torn", "kill-after"};
constexpr const char* errors[] = {"EIO", "EIO-after", "ENOSPC", "short", "EROFS", "ENOSPC 20"};

class Campaign {
 public:
  explicit Campaign(const Options& options)
      : options_(options), rng_(options.seed), bench_(options.directory) {}

  // Every call of every kind with every action, over and over, until there were enough.
  Result<void> run() {
    while (bench_.tally().points < options_.points)
      for (const char* call : calls) {
        for (const char* action : kills)
          if (auto r = every_call(call, action); !r) return r;
        for (const char* action : errors)
          if (auto r = options_.errors ? every_call(call, action) : Result<void>(); !r) return r;
      }
    return {};
  }
  const Tally& tally() const { return bench_.tally(); }

 private:
  // The n-th for every n there is in a run. The child ends before the n-th comes when n is too large.
  Result<void> every_call(const char* call, const char* action) {
    for (std::uint64_t n = 1;; ++n) {
      if (bench_.tally().points >= options_.points) return {};
      if (runs_++ % runs_a_spool == 0 || bench_.messages() > most_messages) bench_.fresh();
      const std::string plan = fmt::format("{} {} {}", call, n, action);
      const auto hit = bench_.run(plan, steps_a_run, rng_);
      if (!hit) return fail(hit.error().code, fmt::format("plan \"{}\": {}", plan, hit.error().message));
      if (!*hit) return {};
    }
  }

  const Options options_;
  SeededRng rng_;
  Bench bench_;
  std::uint64_t runs_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.seed = std::random_device()();
  CLI::App app{"SIGKILL and failed calls at every write, sync and allocation of a spool"};
  app.add_option("--points", options.points, "how many");
  app.add_option("--seed", options.seed, "repeats the choices of a run");
  app.add_option("--directory", options.directory,
                 "where; ideally in memory: what SIGKILL leaves is the same")
      ->required();
  app.add_flag("!--kills-only", options.errors, "no failing calls");
  CLI11_PARSE(app, argc, argv);
  options.directory = std::filesystem::weakly_canonical(options.directory);
  set_environment(options.directory);

  fmt::print("seed {}\n", options.seed);
  std::fflush(stdout);
  Campaign campaign(options);
  const auto begin = std::chrono::steady_clock::now();
  const auto result = campaign.run();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const Tally& t = campaign.tally();
  fmt::print(
      "{} points in {:.0f} s, {} of them SIGKILL: {} operations acknowledged, {} refused, {} failed; {} "
      "without an answer, {} of them stored\n",
      t.points, took.count(), t.kills, t.stored, t.refused, t.failed, t.in_doubt, t.kept);
  if (result) return 0;
  fmt::print("FAILED: {} (the spool is in {})\n", result.error().message, options.directory);
  return 1;
}
