#include "mta/wire/sasl.h"

#include <doctest/doctest.h>

#include <string>

using namespace relay;
using namespace relay::wire;

namespace {

std::string encode(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
    unsigned v = 0;
    for (std::size_t k = 0; k < 3; ++k) v = v << 8 | (k < n ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) out += k <= n ? digits[v >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::string plain(std::string_view authzid, std::string_view user, std::string_view password) {
  std::string message(authzid);
  message += '\0';
  message += user;
  message += '\0';
  message += password;
  return encode(message);
}

// "user/password", "334 text" or "malformed"
std::string told(const SaslStep& step) {
  if (auto* c = std::get_if<Credentials>(&step)) return c->user + "/" + std::string(c->password.reveal());
  if (auto* c = std::get_if<Challenge>(&step)) return "334 " + c->text;
  return "malformed";
}

}  // namespace

TEST_CASE("sasl: base64 of every length and every byte") {
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    CHECK(decode_base64(encode(bytes)) == bytes);
    bytes += static_cast<char>(i * 7);
  }
}

TEST_CASE("sasl: base64 that is not quite") {
  for (const char* bad : {"A",    "AA",   "AAA",   "AAAAA", "A===",       "====",
                          "=",    "==",   "AA=A",  "A=AA",  "AAA=AAAA",   "AA==AAAA",
                          "AB==", "AAB=", "AA=",   "AAAA=", "AAAA====",   " AAA",
                          "AAA ", "AA A", "AAA\n", "AA-_",  "AA\xc3\xa9", "AAAA\r\n"}) {
    CAPTURE(std::string(bad));
    CHECK_FALSE(decode_base64(bad).has_value());
  }
  CHECK_FALSE(decode_base64(std::string("AA\0A", 4)).has_value());
  CHECK(decode_base64("") == "");
  CHECK(decode_base64("AA==") == std::string(1, '\0'));
}

TEST_CASE("sasl: PLAIN") {
  struct {
    std::string initial, result;
  } const cases[] = {
      {plain("", "app", "secret"), "app/secret"},
      {plain("app", "app", "secret"), "app/secret"},
      {plain("", "app", ""), "app/"},
      {plain("", "j\xc3\xb6rg", "p\xc3\xa4ss"), "j\xc3\xb6rg/p\xc3\xa4ss"},
      {plain("other", "app", "secret"), "malformed"},
      {plain("", "", "secret"), "malformed"},
      {plain("", "app", std::string_view("a\0b", 3)), "malformed"},
      {plain("", "a\xff", "secret"), "malformed"},
      {plain("", "app", "\xc3"), "malformed"},
      {encode("app secret"), "malformed"},
      {encode(std::string("\0app", 4)), "malformed"},
      {"", "malformed"},
      {"!!!!", "malformed"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.initial);
    CHECK(told(SaslExchange("PLAIN").start(c.initial)) == c.result);
    SaslExchange later("PLAIN");
    CHECK(told(later.start(std::nullopt)) == "334 ");
    CHECK(told(later.respond(c.initial)) == c.result);
  }
}

TEST_CASE("sasl: LOGIN, with and without an initial response") {
  const std::string ask_user = "334 VXNlcm5hbWU6", ask_password = "334 UGFzc3dvcmQ6";
  {
    SaslExchange exchange("LOGIN");
    CHECK(told(exchange.start(std::nullopt)) == ask_user);
    CHECK(told(exchange.respond(encode("app"))) == ask_password);
    CHECK(told(exchange.respond(encode("secret"))) == "app/secret");
  }
  {
    SaslExchange exchange("LOGIN");
    CHECK(told(exchange.start(encode("app"))) == ask_password);
    CHECK(told(exchange.respond("")) == "app/");
  }
  for (const std::string& bad : {std::string(), std::string("app"), std::string("YXB"), encode("\xff")}) {
    CAPTURE(bad);
    SaslExchange exchange("LOGIN");
    exchange.start(std::nullopt);
    CHECK(told(exchange.respond(bad)) == "malformed");
  }
  SaslExchange exchange("LOGIN");
  exchange.start(encode("app"));
  CHECK(told(exchange.respond("c2VjcmV0=")) == "malformed");
}

TEST_CASE("sasl: mechanisms known") {
  CHECK(SaslExchange::known("PLAIN"));
  CHECK(SaslExchange::known("LOGIN"));
  for (const char* other : {"", "plain", "CRAM-MD5", "EXTERNAL", "PLAINX"})
    CHECK_FALSE(SaslExchange::known(other));
}
