// Time as the relay knows it. Nothing reads a system clock but the Loop's implementations: time is passed in.
//
// Instant is monotonic and drives every timer and deadline. WallTime is what is stored and shown (UTC,
// milliseconds); it may be set back or forward, so it never drives a timer directly.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace relay {

using Duration = std::chrono::nanoseconds;

struct MonotonicTag {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = Duration;
  static constexpr bool is_steady = true;
};
using Instant = std::chrono::time_point<MonotonicTag, Duration>;
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

inline constexpr Instant never = Instant::max();

// "Sat, 21 Nov 2026 09:18:00 +0000" (RFC 5322 3.3), always UTC.
std::string format_rfc5322(WallTime t);
// "2026-11-21T09:18:00.123Z" (RFC 3339).
std::string format_rfc3339(WallTime t);
// A date-time of RFC 3339 5.6 with any offset, to the millisecond below; a leap second is the one after it.
std::optional<WallTime> parse_rfc3339(std::string_view text);
// Both as the machine has them now; for implementations of Loop and for programs' start-up only.
Instant system_now();
WallTime system_wall();

}  // namespace relay
