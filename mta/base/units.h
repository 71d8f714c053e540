// Durations and sizes as people write them. Pure.
//
// A duration is one or more numbers, each with its unit, largest first: "20m", "1h30m", "500ms", "1.5s";
// units are ms, s, m, h, d. A bare "0" is allowed. A size is one number with a unit: "25MB" (10^6), "64KiB"
// (2^10), "4096B"; units are B, kB/KB, MB, GB, TB, KiB, MiB, GiB, TiB. Fractions count as far as a nanosecond
// or a byte. What does not fit 63 bits, a sign, an unknown or a missing unit is refused with a reason.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "mta/base/clock.h"
#include "mta/base/result.h"

namespace relay {

Result<Duration> parse_duration(std::string_view text);
Result<std::uint64_t> parse_size(std::string_view text);

// The shortest text that parse_* reads back as the same value: "90s" is "1m30s", 1048576 is "1MiB".
std::string format_duration(Duration d);
std::string format_size(std::uint64_t bytes);

}  // namespace relay
