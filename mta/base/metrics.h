// Metrics: numbers for a monitoring system, in Prometheus's text format (0.0.4).
//
// What is counted lives where it happens, in plain or relaxed atomic numbers; nothing here is touched by work
// under way. A scrape collects them and makes a Page. So there is no registry of live counters:
// prometheus-cpp has one, but its counters are shared between threads, and of it only the data model and the
// serializer are used, in metrics.cc.
#pragma once
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mta/base/loop.h"

namespace relay::metrics {

enum class Kind { counter, gauge, histogram };
std::string_view text(Kind kind);  // "counter"

// A metric as it is announced; in tables, so that documents can be compared with them.
struct Metric {
  std::string_view name;  // base units, counters end in _total
  Kind kind;
  std::string_view help;  // one sentence without a final full stop
};

// How often values fell into which range. One thread, or under its owner's lock.
class Distribution {
 public:
  Distribution() = default;
  explicit Distribution(std::span<const double> bounds)  // ascending; outlive it
      : bounds_(bounds), counts_(bounds.size() + 1) {}
  void add(double value);
  std::span<const double> bounds() const { return bounds_; }
  // By bound, each without those below it; the last is of the values above every bound.
  const std::vector<std::uint64_t>& counts() const { return counts_; }
  double sum() const { return sum_; }

 private:
  std::span<const double> bounds_;
  std::vector<std::uint64_t> counts_;
  double sum_ = 0;
};

// One answer to a scrape. Values of a metric under several labels are added one after another.
class Page {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;
  Page();
  ~Page();
  Page(Page&&) noexcept;
  void add(const Metric& metric, double value, Labels labels = {});
  void add(const Metric& metric, const Distribution& values);
  std::string text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Where a scrape gets its page; any thread may ask.
class Source {
 public:
  virtual ~Source() = default;
  // `done` runs on `home`, once, inside the call or later.
  virtual void scrape(Loop& home, std::move_only_function<void(std::string)> done) = 0;
};

}  // namespace relay::metrics
