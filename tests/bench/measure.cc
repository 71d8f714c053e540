#include "tests/bench/measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <fstream>

namespace relay::bench {
namespace {

double seconds_of(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double ratio(double a, double b) { return b > 0 ? a / b : 0; }

Figures figures_of(Slice slice, const Figures* sync, const Figures* lmdb) {
  Figures f;
  const auto messages = static_cast<double>(slice.messages);
  f.commits = ratio(static_cast<double>(slice.commits), slice.seconds);
  f.messages = ratio(messages, slice.seconds);
  f.megabytes = ratio(static_cast<double>(slice.bytes) / 1e6, slice.seconds);
  f.p50 = quantile(slice.waits, 0.5) * 1e3;
  f.p99 = quantile(slice.waits, 0.99) * 1e3;
  f.max = quantile(slice.waits, 1) * 1e3;
  f.batch = ratio(messages, static_cast<double>(slice.commits));
  f.cpu = ratio(slice.cpu * 1e6, messages);
  if (sync != nullptr) f.of_sync = ratio(f.commits, sync->commits);
  if (lmdb != nullptr) f.of_lmdb = ratio(f.messages, lmdb->messages);
  return f;
}

constexpr double Figures::* members[] = {
    &Figures::commits, &Figures::messages, &Figures::megabytes, &Figures::p50,     &Figures::p99,
    &Figures::max,     &Figures::batch,    &Figures::cpu,       &Figures::of_sync, &Figures::of_lmdb};
constexpr std::string_view names[] = {"commits_per_s", "messages_per_s", "mb_per_s",   "p50_ms",
                                      "p99_ms",        "max_ms",         "mean_batch", "cpu_us_message",
                                      "of_fdatasync",  "of_lmdb"};

}  // namespace

double thread_cpu() { return seconds_of(CLOCK_THREAD_CPUTIME_ID); }
double process_cpu() { return seconds_of(CLOCK_PROCESS_CPUTIME_ID); }

// As passed to write(2) and its kind. What the kernel charges a process for (ru_oublock) is whole folios of
// up to megabytes, however little of them is written.
std::uint64_t bytes_written() {
  std::ifstream io("/proc/self/io");
  std::string name;
  for (std::uint64_t value = 0; io >> name >> value;)
    if (name == "wchar:") return value;
  return 0;
}

void stop(std::string_view why) {
  fmt::print(stderr, "bench_spool: {}\n", why);
  std::exit(1);
}

double quantile(std::vector<double>& values, double q) {
  if (values.empty()) return 0;
  const auto last = static_cast<double>(values.size() - 1);
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(std::llround(q * last));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

std::vector<Figures> run_all(const std::vector<Line>& lines, int rounds) {
  std::vector<std::vector<Figures>> slices(lines.size());
  for (int round = 0; round < rounds; ++round) {
    std::vector<Figures> now(lines.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const Line& line = lines[i];
      fmt::print(stderr, "\r\033[Kround {} of {}: {}, {}, {}", round + 1, rounds, line.what,
                 size_text(line.bytes), line.batch);
      const Figures* beside = line.beside < 0 ? nullptr : &now[static_cast<std::size_t>(line.beside)];
      now[i] = figures_of(line.run(), i == 0 ? nullptr : now.data(), beside);
      slices[i].push_back(now[i]);
    }
  }
  fmt::print(stderr, "\r\033[K");
  std::vector<Figures> medians(lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i)
    for (const auto member : members) {
      std::vector<double> values;
      for (const auto& slice : slices[i]) values.push_back(slice.*member);
      medians[i].*member = quantile(values, 0.5);
    }
  return medians;
}

std::string size_text(std::uint64_t bytes) {
  if (bytes >= 1u << 20) return fmt::format("{} MiB", bytes >> 20);
  return fmt::format("{} KiB", bytes >> 10);
}

void print_table(const std::vector<Line>& lines, const std::vector<Figures>& figures) {
  fmt::print("{:<26} {:>7} {:>5}  {:>9} {:>10} {:>7}  {:>8} {:>8} {:>8}  {:>7} {:>8}  {:>9} {:>7}\n", "",
             "size", "batch", "commits/s", "messages/s", "MB/s", "p50 ms", "p99 ms", "max ms", "mean",
             "CPU us", "of sync", "of LMDB");
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Line& line = lines[i];
    const Figures& f = figures[i];
    fmt::print(
        "{:<26} {:>7} {:>5}  {:>9.0f} {:>10.0f} {:>7.1f}  {:>8.2f} {:>8.2f} {:>8.2f}  {:>7.1f} {:>8.1f}  "
        "{:>9} "
        "{:>7}\n",
        line.what, size_text(line.bytes), line.batch, f.commits, f.messages, f.megabytes, f.p50, f.p99, f.max,
        f.batch, f.cpu, f.of_sync > 0 ? fmt::format("{:.2f}", f.of_sync) : "",
        f.of_lmdb > 0 ? fmt::format("{:.2f}", f.of_lmdb) : "");
  }
}

void print_json(const std::vector<Line>& lines, const std::vector<Figures>& figures) {
  fmt::print("[");
  for (std::size_t i = 0; i < lines.size(); ++i) {
    fmt::print("{}{{\"what\": \"{}\", \"message_bytes\": {}, \"batch\": {}", i == 0 ? "\n  " : ",\n  ",
               lines[i].what, lines[i].bytes, lines[i].batch);
    for (std::size_t m = 0; m < std::size(members); ++m)
      fmt::print(", \"{}\": {:.4g}", names[m], figures[i].*members[m]);
    fmt::print("}}");
  }
  fmt::print("\n]\n");
}

}  // namespace relay::bench
