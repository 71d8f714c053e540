// KeyUse: what an API key has used of its rate and of its day. Any thread, without a lock.
//
// The rate is a bucket of KeyPolicy::most_at_once() messages that fills by one in each 1/rate, kept as one
// number: the moment at which it would be full again (the generic cell rate algorithm of ATM Forum TM 4.0,
// 4.4.2). The day is UTC's; its count begins anew with the first message of another day, and no clock that is
// late by a moment takes that back. Only messages of a key that has the limit are counted. take() is for a
// message that is being stored, give_back() for one that could not be.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>

#include "spool/types.h"

namespace relay::intake {

class KeyUse {
 public:
  explicit KeyUse(spool::UtcDay day = 0, std::uint64_t sent = 0) : day_(pack(day, sent)) {}

  struct Over {
    enum class Limit : std::uint8_t { rate, day } limit = Limit::rate;
    std::chrono::seconds wait{1};  // until it is worth trying again; one at least
  };
  // Whether one more would be over a limit now.
  std::optional<Over> over(const spool::KeyPolicy& policy, Instant now, WallTime wall) const;
  // Its share of both, or of neither; the day on which it counts is the answer, and what give_back() needs.
  std::expected<spool::UtcDay, Over> take(const spool::KeyPolicy& policy, Instant now, WallTime wall);
  void give_back(const spool::KeyPolicy& policy, spool::UtcDay counted);
  void forget_rate() { full_.store(long_ago, std::memory_order_relaxed); }  // it has been changed
  std::uint64_t sent(spool::UtcDay day) const;

 private:
  static constexpr std::int64_t long_ago = INT64_MIN / 4;
  static constexpr int count_bits = 40;
  static constexpr std::uint64_t count_mask = (std::uint64_t{1} << count_bits) - 1;
  static std::uint64_t pack(spool::UtcDay day, std::uint64_t count) {
    return std::uint64_t{day} << count_bits | (count < count_mask ? count : count_mask);
  }
  static spool::UtcDay day_of(std::uint64_t packed) {
    return static_cast<spool::UtcDay>(packed >> count_bits);
  }
  static std::uint64_t count_on(std::uint64_t packed, spool::UtcDay day) {
    return day_of(packed) == spool::day_to_count_on(day_of(packed), day) ? packed & count_mask : 0;
  }
  std::optional<Over> take_rate(const spool::KeyPolicy& policy, Instant now);
  std::optional<spool::UtcDay> take_day(const spool::KeyPolicy& policy, spool::UtcDay day);
  void give_back_rate(const spool::KeyPolicy& policy);

  std::atomic<std::int64_t> full_{long_ago};  // of Instant, ns
  std::atomic<std::uint64_t> day_;            // and the day's count
};

// Repeats: whether a message of an account may come again that its idempotency key answers for, so that what
// has been used up says nothing of it before the key has been seen. Any thread, without a lock.
class Repeats {
 public:
  // `unknown`: messages with such keys may have come before the process did.
  explicit Repeats(bool unknown) : last_(unknown ? before_start : never) {}
  void came(Instant now) { last_.store(now.time_since_epoch().count(), std::memory_order_relaxed); }
  // Within `window` from the last; of those of before, from when this is first asked.
  bool possible(Instant now, Duration window);

 private:
  static constexpr std::int64_t never = INT64_MIN, before_start = INT64_MIN + 1;
  std::atomic<std::int64_t> last_;  // of Instant, ns
};

}  // namespace relay::intake
