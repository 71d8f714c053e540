// SASL PLAIN (RFC 4616) and LOGIN, as SMTP carries them (RFC 4954). Pure; keeps no credential longer than it
// must: every buffer of its own that held one is wiped. Names and passwords are UTF-8 (RFC 4616 2).
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "mta/base/secret.h"

namespace relay::wire {

// Strict (RFC 4648 4): padding where it belongs, no blanks, unused bits zero.
std::optional<std::string> decode_base64(std::string_view text);
Secret encode_base64(std::string_view bytes);

struct Credentials {
  std::string user;
  Secret password;
};
struct Challenge {
  std::string text;  // base64, for the 334 reply
};
struct Malformed {};  // 501 5.5.2
using SaslStep = std::variant<Challenge, Credentials, Malformed>;

// One exchange: start(), then respond() to each challenge until there are Credentials or it is Malformed.
class SaslExchange {
 public:
  static bool known(std::string_view mechanism) { return mechanism == "PLAIN" || mechanism == "LOGIN"; }
  explicit SaslExchange(std::string mechanism) : mechanism_(std::move(mechanism)) {}
  SaslStep start(const std::optional<std::string>& initial);  // base64
  SaslStep respond(std::string_view base64);
  const std::string& mechanism() const { return mechanism_; }

 private:
  SaslStep decoded_response(std::string_view response);
  std::string mechanism_;
  std::optional<std::string> user_;  // LOGIN: given already
};

}  // namespace relay::wire
