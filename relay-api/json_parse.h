// parse_json: a request's body as a value, or what is wrong with it. Pure.
//
// Stricter than the library's own parser where leniency hides a mistake: a key given twice is refused (RFC
// 8259 4 leaves its meaning open), and so are nesting over `depth`, invalid UTF-8, and anything after the
// value. Errors have code invalid and name the place.
#pragma once
#include <boost/json/fwd.hpp>
#include <cstddef>
#include <string_view>

#include "mta/base/result.h"

namespace relay::api {

inline constexpr std::size_t json_depth = 16;  // no request of ours needs more than 4

Result<boost::json::value> parse_json(std::string_view text, std::size_t depth = json_depth);

// One reference token of a JSON pointer, escaped (RFC 6901 3).
std::string pointer_token(std::string_view key);

}  // namespace relay::api
