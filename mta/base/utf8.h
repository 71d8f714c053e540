// UTF-8 (RFC 3629) of text from outside: shortest forms only, no surrogates, nothing over U+10FFFF. Pure.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace relay {

// Bytes of the well-formed character at the front of `text`; 0 if there is none.
std::size_t utf8_length(std::string_view text);
bool valid_utf8(std::string_view text);
// The text with U+FFFD in place of every byte that is no part of a well-formed character.
std::string repair_utf8(std::string_view text);

}  // namespace relay
