#include "mta/base/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>
#include <sstream>

#include "mta/base/result.h"

namespace relay::metrics {
namespace {

prometheus::MetricType type_of(Kind kind) {
  switch (kind) {
    case Kind::counter: return prometheus::MetricType::Counter;
    case Kind::gauge: return prometheus::MetricType::Gauge;
    case Kind::histogram: return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

}  // namespace

std::string_view text(Kind kind) {
  switch (kind) {
    case Kind::counter: return "counter";
    case Kind::gauge: return "gauge";
    case Kind::histogram: return "histogram";
  }
  return "unknown";
}

void Distribution::add(double value) {
  const auto at = std::ranges::lower_bound(bounds_, value);  // a bound belongs to the range below it
  ++counts_[static_cast<std::size_t>(at - bounds_.begin())];
  sum_ += value;
}

struct Page::Impl {
  std::vector<prometheus::MetricFamily> families;

  prometheus::ClientMetric& add(const Metric& metric) {
    if (families.empty() || families.back().name != metric.name) {
      prometheus::MetricFamily family;
      family.name = metric.name;
      family.help = metric.help;
      family.type = type_of(metric.kind);
      families.push_back(std::move(family));
    }
    return families.back().metric.emplace_back();
  }
};

Page::Page() : impl_(std::make_unique<Impl>()) {}
Page::~Page() = default;
Page::Page(Page&&) noexcept = default;

void Page::add(const Metric& metric, double value, Labels labels) {
  RELAY_ASSERT(metric.kind != Kind::histogram);
  prometheus::ClientMetric& one = impl_->add(metric);
  (metric.kind == Kind::counter ? one.counter.value : one.gauge.value) = value;
  for (const auto& [name, is] : labels) one.label.push_back({std::string(name), std::string(is)});
}

void Page::add(const Metric& metric, const Distribution& values) {
  RELAY_ASSERT(metric.kind == Kind::histogram);
  prometheus::ClientMetric& one = impl_->add(metric);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < values.counts().size(); ++i) {
    sum += values.counts()[i];
    const double bound =
        i < values.bounds().size() ? values.bounds()[i] : std::numeric_limits<double>::infinity();
    one.histogram.bucket.push_back({sum, bound});
  }
  one.histogram.sample_count = sum;
  one.histogram.sample_sum = values.sum();
}

std::string Page::text() const {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, impl_->families);
  return std::move(out).str();
}

}  // namespace relay::metrics
