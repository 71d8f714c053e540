// What benchmarks have in common: clocks, one slice of measurement, and tables of medians.
//
// The machine may be shared and its disk's speed may wander. So every line of a table is run in short slices,
// all lines in turn, round after round; a line's figures are the medians of its slices, and a ratio is the
// median of the ratios of slices of the same round.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/result.h"

namespace relay::bench {

using Steady = std::chrono::steady_clock;

inline double since(Steady::time_point start) {
  return std::chrono::duration<double>(Steady::now() - start).count();
}

double thread_cpu();                           // seconds, of the calling thread
double process_cpu();                          // seconds, of all threads
std::uint64_t bytes_written();                 // by this process's write calls
[[noreturn]] void stop(std::string_view why);  // a benchmark that cannot go on

template <class T>
T must(Result<T> result) {
  if (!result) stop(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// Changes the vector's order. 0 of nothing.
double quantile(std::vector<double>& values, double q);

struct Slice {
  std::uint64_t commits = 0, messages = 0, bytes = 0;
  double seconds = 0, cpu = 0;
  std::vector<double> waits;  // seconds until each commit or acknowledgement
};

struct Line {
  std::string what;
  std::size_t bytes = 0;  // a message's
  std::size_t batch = 0;  // messages in a commit, or waiting at once
  std::function<Slice()> run;
  int beside = -1;  // the line of raw LMDB that does the same
};

struct Figures {
  double commits = 0, messages = 0, megabytes = 0;  // a second
  double p50 = 0, p99 = 0, max = 0;                 // milliseconds
  double batch = 0;                                 // messages a commit
  double cpu = 0;                                   // microseconds a message
  double of_sync = 0;                               // commits a second, of the fdatasyncs a second of line 0
  double of_lmdb = 0;  // messages a second, of those of the line beside; 0 if there is none
};

// Runs every line once a round. Line 0 is what the others' commits are compared with. Names a line on stderr
// as it begins, so that one can see it move.
std::vector<Figures> run_all(const std::vector<Line>& lines, int rounds);
void print_table(const std::vector<Line>& lines, const std::vector<Figures>& figures);
void print_json(const std::vector<Line>& lines, const std::vector<Figures>& figures);
std::string size_text(std::uint64_t bytes);  // "4 KiB"

}  // namespace relay::bench
