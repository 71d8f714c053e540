#include "mta/queue/shaper.h"

#include <algorithm>
#include <utility>

namespace relay::queue {
namespace {

constexpr Duration interval = std::chrono::seconds(10);

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }
Duration of_seconds(double s) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(s));
}

}  // namespace

Instant Shaper::next() const {
  if (rate_ <= 0 || last_ == Instant::min()) return paused_until_;
  return std::max(paused_until_, last_ + of_seconds(1 / rate_));
}

void Shaper::begun(Instant now) {
  last_ = now;
  if (counted_from_ == Instant::min() || now - counted_from_ >= interval) {
    const bool follows = counted_from_ != Instant::min() && now - counted_from_ < 2 * interval;
    before_ = follows ? counted_ / seconds(now - counted_from_) : 0;
    counted_from_ = now;
    counted_ = 0;
  }
  ++counted_;
}

double Shaper::measured(Instant now) const {
  const double current = counted_ / std::max(1.0, seconds(now - counted_from_));
  return std::max(before_, current);
}

void Shaper::went_well(Instant began, Instant now, const ShapingSettings& settings) {
  if (!limited() || began <= slowed_at_) return;
  times_ = 0;
  // It goes well `rate_` times a second.
  rate_ += std::max(slowed_rate_, rate_) / seconds(settings.recovery) / rate_;
  if (now - paused_until_ < settings.forgotten || rate_ < 2 * slowed_rate_) return;
  rate_ = slowed_rate_ = 0;
  reason_ = {};
}

bool Shaper::slow_down(Instant began, Instant now, Reason reason, Duration asked,
                       const ShapingSettings& settings) {
  if (slowed_at_ != Instant::min() && began <= slowed_at_) return false;
  ++times_;
  slowed_rate_ = limited() ? rate_ : std::max(measured(now), settings.slowest);
  rate_ = std::max(slowed_rate_ / 2, settings.slowest);
  const std::uint32_t doublings = std::min(times_ - 1, 20u);
  const Duration own =
      std::min(settings.first_pause * (std::int64_t{1} << doublings), settings.longest_pause);
  paused_until_ = now + (asked > Duration::zero() ? asked : own);
  slowed_at_ = now;
  reason_ = std::move(reason);
  return true;
}

}  // namespace relay::queue
