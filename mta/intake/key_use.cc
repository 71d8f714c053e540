#include "mta/intake/key_use.h"

#include <algorithm>

namespace relay::intake {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

// Between two messages at the key's rate.
std::int64_t interval(const spool::KeyPolicy& policy) {
  constexpr std::int64_t thousand_seconds = 1'000'000'000'000;
  return thousand_seconds / policy.rate;
}

// How far ahead of now the bucket's being full may lie before a message takes its place.
std::int64_t slack(const spool::KeyPolicy& policy) {
  return interval(policy) * (std::int64_t{policy.most_at_once()} - 1);
}

KeyUse::Over too_soon(std::int64_t by) {
  return {KeyUse::Over::Limit::rate, std::max(std::chrono::ceil<seconds>(nanoseconds(by)), seconds(1))};
}

KeyUse::Over day_is_full(WallTime wall) {
  const auto midnight = std::chrono::floor<std::chrono::days>(wall) + std::chrono::days(1);
  return {KeyUse::Over::Limit::day, std::max(std::chrono::ceil<seconds>(midnight - wall), seconds(1))};
}

}  // namespace

std::optional<KeyUse::Over> KeyUse::over(const spool::KeyPolicy& policy, Instant now, WallTime wall) const {
  if (policy.rate > 0) {
    const std::int64_t ahead =
        full_.load(std::memory_order_relaxed) - now.time_since_epoch().count() - slack(policy);
    if (ahead > 0) return too_soon(ahead);
  }
  if (policy.daily > 0 && sent(spool::day_of(wall)) >= policy.daily) return day_is_full(wall);
  return std::nullopt;
}

std::expected<spool::UtcDay, KeyUse::Over> KeyUse::take(const spool::KeyPolicy& policy, Instant now,
                                                        WallTime wall) {
  if (policy.rate > 0)
    if (auto over = take_rate(policy, now)) return std::unexpected(*over);
  const spool::UtcDay day = spool::day_of(wall);
  if (policy.daily == 0) return day;
  if (const auto counted = take_day(policy, day)) return *counted;
  if (policy.rate > 0) give_back_rate(policy);
  return std::unexpected(day_is_full(wall));
}

std::optional<KeyUse::Over> KeyUse::take_rate(const spool::KeyPolicy& policy, Instant now) {
  const std::int64_t at = now.time_since_epoch().count();
  std::int64_t full = full_.load(std::memory_order_relaxed);
  for (;;) {
    const std::int64_t from = std::max(full, at);
    if (from - at > slack(policy)) return too_soon(from - at - slack(policy));
    if (full_.compare_exchange_weak(full, from + interval(policy), std::memory_order_relaxed))
      return std::nullopt;
  }
}

std::optional<spool::UtcDay> KeyUse::take_day(const spool::KeyPolicy& policy, spool::UtcDay day) {
  std::uint64_t packed = day_.load(std::memory_order_relaxed);
  for (;;) {
    const std::uint64_t count = count_on(packed, day);
    if (count >= policy.daily) return std::nullopt;
    const spool::UtcDay counted = spool::day_to_count_on(day_of(packed), day);
    if (day_.compare_exchange_weak(packed, pack(counted, count + 1), std::memory_order_relaxed))
      return counted;
  }
}

void KeyUse::give_back_rate(const spool::KeyPolicy& policy) {
  full_.fetch_sub(interval(policy), std::memory_order_relaxed);
}

void KeyUse::give_back(const spool::KeyPolicy& policy, spool::UtcDay counted) {
  if (policy.rate > 0) give_back_rate(policy);
  if (policy.daily == 0) return;
  std::uint64_t packed = day_.load(std::memory_order_relaxed);
  while (day_of(packed) == counted && (packed & count_mask) > 0)
    if (day_.compare_exchange_weak(packed, packed - 1, std::memory_order_relaxed)) return;
}

std::uint64_t KeyUse::sent(spool::UtcDay day) const {
  return count_on(day_.load(std::memory_order_relaxed), day);
}

bool Repeats::possible(Instant now, Duration window) {
  const std::int64_t at = now.time_since_epoch().count();
  std::int64_t last = before_start;
  if (last_.compare_exchange_strong(last, at, std::memory_order_relaxed)) last = at;
  return last != never && at - last < window.count();
}

}  // namespace relay::intake
