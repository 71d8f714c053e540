#include <cstdint>

#include "mta/wire/address.h"

namespace relay::wire {
namespace {

struct Lead {        // what the first byte of a sequence says (RFC 3629 4)
  int more;          // continuation bytes; -1: never a first byte
  std::uint8_t low;  // bounds of the second byte: they exclude overlong forms, surrogates and over U+10FFFF
  std::uint8_t high;
};

Lead lead_of(std::uint8_t c) {
  if (c < 0x80) return {0, 0, 0};
  if (c < 0xc2) return {-1, 0, 0};
  if (c < 0xe0) return {1, 0x80, 0xbf};
  if (c == 0xe0) return {2, 0xa0, 0xbf};
  if (c == 0xed) return {2, 0x80, 0x9f};
  if (c < 0xf0) return {2, 0x80, 0xbf};
  if (c == 0xf0) return {3, 0x90, 0xbf};
  if (c < 0xf4) return {3, 0x80, 0xbf};
  if (c == 0xf4) return {3, 0x80, 0x8f};
  return {-1, 0, 0};
}

}  // namespace

bool valid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    Lead lead = lead_of(static_cast<std::uint8_t>(text[i++]));
    if (lead.more < 0 || text.size() - i < static_cast<std::size_t>(lead.more)) return false;
    for (int k = 0; k < lead.more; ++k, ++i) {
      auto c = static_cast<std::uint8_t>(text[i]);
      std::uint8_t low = k == 0 ? lead.low : 0x80, high = k == 0 ? lead.high : 0xbf;
      if (c < low || c > high) return false;
    }
  }
  return true;
}

}  // namespace relay::wire
