#include "mta/wire/sasl.h"

#include <utility>

#include "mta/wire/address.h"

namespace relay::wire {
namespace {

int digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

// authzid NUL authcid NUL passwd; to act for another is not offered.
SaslStep plain(std::string_view message) {
  std::size_t first = message.find('\0');
  std::size_t second = first == message.npos ? first : message.find('\0', first + 1);
  if (second == message.npos || message.find('\0', second + 1) != message.npos) return Malformed{};
  std::string_view authzid = message.substr(0, first), user = message.substr(first + 1, second - first - 1);
  if (user.empty() || (!authzid.empty() && authzid != user)) return Malformed{};
  return Credentials{std::string(user), Secret(std::string(message.substr(second + 1)))};
}

constexpr const char* ask_user = "VXNlcm5hbWU6";      // "Username:"
constexpr const char* ask_password = "UGFzc3dvcmQ6";  // "Password:"

}  // namespace

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  text.remove_suffix(padding);
  std::string out;
  out.reserve(text.size() * 3 / 4);
  unsigned bits = 0, held = 0;
  for (char c : text) {
    int value = digit(c);
    if (value < 0) {
      wipe(out);
      return std::nullopt;
    }
    bits = (bits << 6 | static_cast<unsigned>(value)) & 0xfffffu;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out += static_cast<char>(bits >> held & 0xff);
    }
  }
  if ((bits & ((1u << held) - 1)) == 0) return out;
  wipe(out);
  return std::nullopt;
}

Secret encode_base64(std::string_view bytes) {
  static constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4 + 64);  // at once, so that growing leaves no copy
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::string_view three = bytes.substr(at, 3);
    unsigned bits = 0;
    for (std::size_t i = 0; i < 3; ++i)
      bits = bits << 8 | (i < three.size() ? static_cast<unsigned char>(three[i]) : 0u);
    for (std::size_t i = 0; i < 4; ++i) out += i <= three.size() ? digits[bits >> (18 - 6 * i) & 63] : '=';
  }
  return Secret(std::move(out));
}

SaslStep SaslExchange::start(const std::optional<std::string>& initial) {
  if (initial) return respond(*initial);
  return Challenge{mechanism_ == "LOGIN" ? ask_user : ""};
}

SaslStep SaslExchange::respond(std::string_view base64) {
  auto decoded = decode_base64(base64);
  if (!decoded) return Malformed{};
  SaslStep step = decoded_response(*decoded);
  wipe(*decoded);
  return step;
}

SaslStep SaslExchange::decoded_response(std::string_view response) {
  if (!valid_utf8(response)) return Malformed{};
  if (mechanism_ == "PLAIN") return plain(response);
  if (user_) return Credentials{std::move(*user_), Secret(std::string(response))};
  if (response.empty()) return Malformed{};
  user_ = response;
  return Challenge{ask_password};
}

}  // namespace relay::wire
