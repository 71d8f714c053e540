// Dates as mail writes them. Pure.
#pragma once
#include <optional>
#include <string_view>

#include "mta/base/clock.h"

namespace relay {

// A date-time of RFC 5322 3.3, with comments, and with the zones and years of 4.3 whose meaning is certain.
// The day of the week, if it is there, must be that of the date.
std::optional<WallTime> parse_rfc5322(std::string_view text);

}  // namespace relay
