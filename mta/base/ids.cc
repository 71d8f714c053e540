#include "mta/base/ids.h"

#include <span>

namespace relay {
namespace {

constexpr std::string_view alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::string_view prefix = "msg_";
constexpr std::size_t digits = 26;  // 130 bits: the first digit holds three of the id's 128

}  // namespace

std::string base32(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() * 8 + 4) / 5);
  unsigned bits = 0, held = 0;
  for (unsigned char c : bytes) {
    bits = (bits << 8 | c) & 0xfffu;
    held += 8;
    for (; held >= 5; held -= 5) out += alphabet[bits >> (held - 5) & 31];
  }
  if (held > 0) out += alphabet[bits << (5 - held) & 31];
  return out;
}

MessageId MessageId::make(WallTime at, Rng& rng) {
  MessageId id;
  rng.fill(std::span(id.bytes).subspan(6));
  auto ms = static_cast<std::uint64_t>(at.time_since_epoch().count());
  for (int i = 5; i >= 0; --i, ms >>= 8)
    id.bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(ms);
  return id;
}

std::string MessageId::text() const {
  std::string out(prefix);
  // Two zero bits in front make 130 bits, so that digits of equal place sort as the bytes do.
  unsigned bits = 0, held = 2;
  for (std::uint8_t byte : bytes) {
    bits = (bits << 8 | byte) & 0x1fffu;
    held += 8;
    for (; held >= 5; held -= 5) out += alphabet[bits >> (held - 5) & 31];
  }
  return out;
}

std::optional<MessageId> MessageId::parse(std::string_view text) {
  if (text.size() != prefix.size() + digits || !text.starts_with(prefix)) return std::nullopt;
  text.remove_prefix(prefix.size());
  if (text.front() > '7') return std::nullopt;  // over 128 bits
  MessageId id;
  std::uint64_t bits = 0;
  unsigned held = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    std::size_t value = alphabet.find(text[i]);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 5 | value) & 0x1fffu;
    held += i == 0 ? 3 : 5;
    if (held >= 8) {
      held -= 8;
      id.bytes[at++] = static_cast<std::uint8_t>(bits >> held);
    }
  }
  return id;
}

WallTime MessageId::time() const {
  std::int64_t ms = 0;
  for (std::size_t i = 0; i < 6; ++i) ms = ms << 8 | bytes[i];
  return WallTime(std::chrono::milliseconds(ms));
}

}  // namespace relay
