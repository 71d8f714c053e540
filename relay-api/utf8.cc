#include "relay-api/utf8.h"

#include "mta/base/utf8.h"

namespace relay::api {

CodePoint first_code_point(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::size_t length = utf8_length(text);
  if (length == 0) return {0xfffd, 1};
  if (length == 1) return {byte(0), 1};
  char32_t value = byte(0) & (0xff >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) value = value << 6 | (byte(i) & 0x3f);
  return {value, length};
}

std::string valid_utf8(std::string_view text) { return repair_utf8(text); }

}  // namespace relay::api
