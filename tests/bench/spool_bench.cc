// bench_spool: how fast the spool is, beside what the disk and LMDB can do. README.md shows its figures.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>

#include "tests/bench/aged.h"
#include "tests/bench/mixed.h"
#include "tests/bench/speed.h"

namespace {

using namespace relay;
using namespace relay::bench;
using spool::Durability;

struct Options {
  Place place{.directory = "/tmp"};
  int rounds = 5;
  bool json = false;
  MixedSettings mixed;
  AgedSettings aged;
};

constexpr std::size_t batches[] = {1, 10, 100, 1000};
constexpr std::size_t usual = 4096;
// Larger messages with fewer at once, as memory would have it.
constexpr Size sizes[] = {
    {1u << 10, 100}, {4u << 10, 100}, {100u << 10, 100}, {1u << 20, 20}, {10u << 20, 4}};

std::vector<Line> lines_of_speed(const Place& place) {
  std::vector<Line> lines;
  const auto raw = [&](std::string what, Keep keep, Size size) {
    lines.push_back({std::move(what), size.body_bytes, size.batch,
                     [=] { return raw_lmdb(place, keep, size.body_bytes, size.batch); }});
    return static_cast<int>(lines.size()) - 1;
  };
  const auto store = [&](std::string what, Work work, Size size, int beside,
                         Durability durability = Durability::sync) {
    lines.push_back({std::move(what), size.body_bytes, size.batch,
                     [=] { return store_speed(place, durability, work, size); }, beside});
  };
  const auto writer = [&](std::string what, Work work, Size size, int beside,
                          Durability durability = Durability::sync) {
    lines.push_back({std::move(what), size.body_bytes, size.batch,
                     [=] { return writer_speed(place, durability, work, size); }, beside});
  };
  lines.push_back({"fdatasync, overwriting", 4096, 1, [=] { return raw_sync(place, Sync::overwrite); }});
  lines.push_back({"fdatasync, appending", 4096, 1, [=] { return raw_sync(place, Sync::append); }});
  for (const std::size_t batch : batches) {
    const Size size{usual, batch};
    const int put = raw("LMDB: put", Keep::all, size);
    store("store: accept", Work::accept, size, put);
    writer("writer: accept", Work::accept, size, put);
    const int turn = raw("LMDB: put and erase", Keep::turnover, size);
    store("store: accept, outcome", Work::accept_and_outcome, size, turn);
    writer("writer: accept, outcome", Work::accept_and_outcome, size, turn);
    store("store: relaxed", Work::accept_and_outcome, size, turn, Durability::relaxed);
    writer("writer: relaxed", Work::accept_and_outcome, size, turn, Durability::relaxed);
  }
  for (const Size& size : sizes) {
    if (size.body_bytes == usual) continue;
    const int turn = raw("LMDB: put and erase", Keep::turnover, size);
    store("store: accept, outcome", Work::accept_and_outcome, size, turn);
    writer("writer: accept, outcome", Work::accept_and_outcome, size, turn);
  }
  return lines;
}

void speed(const Options& options) {
  const auto lines = lines_of_speed(options.place);
  const auto figures = run_all(lines, options.rounds);
  if (options.json)
    print_json(lines, figures);
  else
    print_table(lines, figures);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Benchmarks of the spool. Works in DIRECTORY/bench_spool, and removes that.");
  app.add_option("--directory", options.place.directory, "on the disk to be measured")->capture_default_str();
  app.add_flag("--json", options.json, "figures as JSON");
  app.require_subcommand(1);
  auto* speed_command =
      app.add_subcommand("speed", "commits, messages and waiting times, beside raw fdatasync and LMDB");
  speed_command->add_option("--seconds", options.place.seconds, "of each slice")->capture_default_str();
  speed_command->add_option("--rounds", options.rounds, "of slices; figures are medians")
      ->capture_default_str();
  auto* mixed_command =
      app.add_subcommand("mixed", "a long life of mixed mail: does the file grow, does the rate fall?");
  const auto mixed_option = [&](const char* name, auto& value, const char* what) {
    mixed_command->add_option(name, value, what)->capture_default_str();
  };
  mixed_option("--messages", options.mixed.messages, "to accept");
  mixed_option("--intervals", options.mixed.intervals, "rows of the table");
  mixed_option("--waiting", options.mixed.waiting, "at once");
  mixed_option("--deferred", options.mixed.deferred, "share of recipients not delivered at once");
  mixed_option("--life", options.mixed.life, "mean life of those, in messages accepted meanwhile");
  mixed_option("--retention", options.mixed.retention, "of closed messages, in the same");
  mixed_option("--seed", options.mixed.seed, "of sizes, recipients and lives");
  auto* fragmented_command =
      app.add_subcommand("fragmented", "a file with scattered free pages beside a fresh one");
  auto* full_command = app.add_subcommand("full", "a file at its limit");
  for (auto* command : {fragmented_command, full_command}) {
    command->add_option("--gigabytes", options.aged.gigabytes, "to fill")->capture_default_str();
    command->add_option("--body", options.aged.body_bytes, "bytes of a message to fill with; 0: mixed")
        ->capture_default_str();
  }
  CLI11_PARSE(app, argc, argv);
  options.place.directory += "/bench_spool";
  if (speed_command->parsed()) speed(options);
  if (mixed_command->parsed()) mixed_run(options.place, options.mixed);
  if (fragmented_command->parsed()) fragmented_run(options.place, options.aged);
  if (full_command->parsed()) full_run(options.place, options.aged);
  std::filesystem::remove_all(options.place.directory);
  return 0;
}
