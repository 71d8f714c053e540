#include "relay-api/base64.h"

#include <array>
#include <cstdint>

namespace relay::api {
namespace {

constexpr std::int8_t outside = -1, padding = -2, skipped = -3;

constexpr std::array<std::int8_t, 256> make_values() {
  std::array<std::int8_t, 256> values{};
  values.fill(outside);
  std::int8_t next = 0;
  for (char c = 'A'; c <= 'Z'; ++c) values[static_cast<unsigned char>(c)] = next++;
  for (char c = 'a'; c <= 'z'; ++c) values[static_cast<unsigned char>(c)] = next++;
  for (char c = '0'; c <= '9'; ++c) values[static_cast<unsigned char>(c)] = next++;
  values['+'] = next++;
  values['/'] = next;
  values['='] = padding;
  values['\r'] = values['\n'] = skipped;
  return values;
}
constexpr auto values = make_values();

}  // namespace

std::optional<std::string> decode_base64(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3 + 3);
  std::uint32_t group = 0;
  int digits = 0, pads = 0;
  for (char c : text) {
    const std::int8_t value = values[static_cast<unsigned char>(c)];
    if (value == skipped) continue;
    if (value == padding) {
      if (++pads + digits > 4 || digits < 2) return std::nullopt;
      continue;
    }
    if (value == outside || pads > 0) return std::nullopt;
    group = group << 6 | static_cast<std::uint32_t>(value);
    if (++digits < 4) continue;
    out += static_cast<char>(group >> 16 & 0xff);
    out += static_cast<char>(group >> 8 & 0xff);
    out += static_cast<char>(group & 0xff);
    group = 0;
    digits = 0;
  }
  if (digits == 0) return pads == 0 ? std::optional(std::move(out)) : std::nullopt;
  if (digits + pads != 4) return std::nullopt;
  // The bits that make no whole byte must be zero (RFC 4648 3.5).
  if (digits == 2) {
    if ((group & 0xf) != 0) return std::nullopt;
    out += static_cast<char>(group >> 4 & 0xff);
  } else {
    if ((group & 0x3) != 0) return std::nullopt;
    out += static_cast<char>(group >> 10 & 0xff);
    out += static_cast<char>(group >> 2 & 0xff);
  }
  return out;
}

void Base64Encoder::group(std::uint32_t bits, int digits) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  char text[4] = {'=', '=', '=', '='};
  for (int i = 0; i < digits; ++i) text[i] = alphabet[bits >> (18 - 6 * i) & 0x3f];
  out_.append(text, sizeof text);
}

void Base64Encoder::add(std::string_view bytes) {
  for (const char c : bytes) {
    held_ = held_ << 8 | static_cast<std::uint8_t>(c);
    if (++held_bytes_ < 3) continue;
    group(held_, 4);
    held_ = 0, held_bytes_ = 0;
  }
}

void Base64Encoder::finish() {
  if (held_bytes_ == 1) group(held_ << 16, 2);
  if (held_bytes_ == 2) group(held_ << 8, 3);
  held_ = 0, held_bytes_ = 0;
}

std::string encode_base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  Base64Encoder encoder(out);
  encoder.add(bytes);
  encoder.finish();
  return out;
}

}  // namespace relay::api
