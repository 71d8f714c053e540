// Ids as distinct types. A MessageId is 128 bits: 48 of wall milliseconds, 80 random, so that ids sort by
// time of acceptance; written "msg_" and 26 characters of Crockford's base 32 in lower case.
#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "mta/base/clock.h"
#include "mta/base/rng.h"

namespace relay {

struct MessageId {
  std::array<std::uint8_t, 16> bytes{};
  friend auto operator<=>(const MessageId&, const MessageId&) = default;

  static MessageId make(WallTime at, Rng& rng);
  static std::optional<MessageId> parse(std::string_view text);  // exactly what text() writes
  std::string text() const;
  WallTime time() const;
};

struct AccountId {
  std::string value;
  friend auto operator<=>(const AccountId&, const AccountId&) = default;
};

struct KeyId {  // the public part of an API key: 12 characters of base 32
  std::string value;
  friend auto operator<=>(const KeyId&, const KeyId&) = default;
};

// One recipient of one message: its index is its place in the envelope.
struct RecipientRef {
  MessageId message;
  std::uint32_t index = 0;
  friend auto operator<=>(const RecipientRef&, const RecipientRef&) = default;
};

std::string base32(std::string_view bytes);  // Crockford, lower case, most significant bits first, no padding

}  // namespace relay

template <>
struct std::hash<relay::MessageId> {
  std::size_t operator()(const relay::MessageId& id) const noexcept {
    std::uint64_t h = 0;  // the random half is a good hash as it is
    for (int i = 8; i < 16; ++i) h = h << 8 | id.bytes[i];
    return static_cast<std::size_t>(h);
  }
};
template <>
struct std::hash<relay::RecipientRef> {
  std::size_t operator()(const relay::RecipientRef& r) const noexcept {
    return std::hash<relay::MessageId>()(r.message) * 31 + r.index;
  }
};
