// xtext of RFC 3461 4: printable ASCII in which '+', '=' and what is not printable are written "+XX". Pure.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace relay::wire {

// Strict: upper-case hexadecimal digits after each '+', nothing unprintable, no '='. What it encodes may be
// any byte; callers say what they can use.
std::optional<std::string> decode_xtext(std::string_view text);
std::string encode_xtext(std::string_view bytes);

}  // namespace relay::wire
