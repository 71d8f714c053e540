// UTF-8 from outside, made safe to show. Pure.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace relay::api {

struct CodePoint {
  char32_t value = 0;     // U+FFFD for bytes that are not UTF-8
  std::size_t bytes = 1;  // how many of the text it took
};
// The first of a text that is not empty.
CodePoint first_code_point(std::string_view text);

// The text with U+FFFD in place of every byte that is not UTF-8 (hosts answer in any charset).
std::string valid_utf8(std::string_view text);

}  // namespace relay::api
