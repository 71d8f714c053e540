// What a smart host can do to a client's credentials.
#include <doctest/doctest.h>

#include "mta/wire/client_auth.h"
#include "mta/wire/sasl.h"
#include "tests/unit/wire/client_script.h"

using namespace relay;
using namespace relay::wire;
using namespace relay::wire::test;

namespace {

using Mechanism = ClientAuth::Mechanism;

constexpr std::string_view hello = R"(
        S: 220 mx
        C: EHLO me.example
        S: 250-mx
        S: 250 )";

// The user is "user", the password "secret"; TLS is there, unless the name ends in "clear".
struct Case {
  std::string_view name;
  std::vector<Mechanism> mechanisms;
  std::string_view offered;
  std::string_view script;
};

constexpr auto plain = Mechanism::plain, login = Mechanism::login;

const Case cases[] = {
    {"PLAIN", {plain, login}, "AUTH LOGIN PLAIN", R"(
        C: AUTH PLAIN AHVzZXIAc2VjcmV0
        S: 235 2.7.0 ok
        = ready
        > start s@x a@x
        C: MAIL FROM:<s@x>)"},
    {"as servers offered it before the standard", {plain, login}, "auth=login plain", R"(
        C: AUTH PLAIN AHVzZXIAc2VjcmV0
        S: 235 ok
        = ready)"},
    {"LOGIN, the first in order", {login, plain}, "AUTH PLAIN LOGIN", R"(
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: dXNlcg==
        S: 334 UGFzc3dvcmQ6
        C: c2VjcmV0
        S: 235 ok
        = ready)"},
    {"LOGIN, the only one offered", {plain, login}, "AUTH CRAM-MD5 LOGIN", R"(
        C: AUTH LOGIN
        S: 334
        C: dXNlcg==
        S: 334
        C: c2VjcmV0
        S: 235 ok
        = ready)"},
    {"none in common", {plain}, "AUTH CRAM-MD5 LOGIN PLAINLY", R"(
        C: QUIT
        ! ehlo: lacks AUTH: no mechanism for it in common
        = closed)"},
    {"not offered", {plain, login}, "SIZE", R"(
        C: QUIT
        ! ehlo: lacks AUTH: no mechanism for it in common
        = closed)"},
    {"refused", {plain}, "AUTH PLAIN", R"(
        C: AUTH PLAIN AHVzZXIAc2VjcmV0
        S: 535 5.7.8 wrong
        C: QUIT
        ! auth: 535 5.7.8 wrong
        = closed)"},
    {"refused, and the credentials repeated", {plain}, "AUTH PLAIN", R"(
        C: AUTH PLAIN AHVzZXIAc2VjcmV0
        S: 535-5.7.8 no user
        S: 535 5.7.8 with the password secret
        C: QUIT
        ! auth: 535 5.7.8 no user (not shown: it repeats the credentials)
        = closed)"},
    {"echoed", {plain}, "AUTH PLAIN", R"(
        C: AUTH PLAIN AHVzZXIAc2VjcmV0
        S: AUTH PLAIN AHVzZXIAc2VjcmV0
        ! auth: reset, the host sent what is no SMTP reply
        = closed)"},
    {"not now", {plain}, "AUTH PLAIN", R"(
        C: AUTH PLAIN AHVzZXIAc2VjcmV0
        S: 454 4.7.0 later
        C: QUIT
        ! auth: 454 4.7.0 later
        = closed)"},
    {"421", {plain}, "AUTH PLAIN", R"(
        C: AUTH PLAIN AHVzZXIAc2VjcmV0
        S: 421 bye
        ! auth: 421 bye
        = closed)"},
    {"asked for more than PLAIN has", {plain}, "AUTH PLAIN", R"(
        C: AUTH PLAIN AHVzZXIAc2VjcmV0
        S: 334 more
        ! auth: reset, the host sent an unexpected reply 334 more
        = closed)"},
    {"asked for more than LOGIN has", {login}, "AUTH LOGIN", R"(
        C: AUTH LOGIN
        S: 334
        C: dXNlcg==
        S: 334
        C: c2VjcmV0
        S: 334 c2VjcmV0
        ! auth: reset, the host sent an unexpected reply 334 (not shown: it repeats the credentials)
        = closed)"},
    {"354", {plain}, "AUTH PLAIN", R"(
        C: AUTH PLAIN AHVzZXIAc2VjcmV0
        S: 354 go
        ! auth: reset, the host sent an unexpected reply 354 go
        = closed)"},
    {"user refused", {login}, "AUTH LOGIN", R"(
        C: AUTH LOGIN
        S: 334
        C: dXNlcg==
        S: 535 who
        C: QUIT
        ! auth: 535 who
        = closed)"},
    {"closed", {plain}, "AUTH PLAIN", R"(
        C: AUTH PLAIN AHVzZXIAc2VjcmV0
        > closed
        ! auth: end of file
        = closed)"},
    {"no answer", {login}, "AUTH LOGIN", R"(
        C: AUTH LOGIN
        S: 334
        C: dXNlcg==
        > timeout
        ! auth: timed out
        = closed)"},
    {"in clear", {plain}, "AUTH PLAIN", R"(
        C: QUIT
        ! ehlo: lacks AUTH: the session is not under TLS
        = closed)"},
};

}  // namespace

TEST_CASE("client dialog: authentication, whole and cut at every byte") {
  for (const Case& c : cases) {
    auto auth = std::make_shared<ClientAuth>();
    auth->user = "user";
    auth->password = Secret("secret");
    auth->mechanisms = c.mechanisms;
    Play how;
    how.settings.auth = auth;
    how.implicit_tls = !c.name.ends_with("clear");
    expect(c.name, std::string(hello) + std::string(c.offered) + std::string(c.script), how);
  }
}

TEST_CASE("client dialog: credentials in clear, where the settings say so") {
  auto auth = std::make_shared<ClientAuth>();
  auth->user = "user";
  auth->password = Secret("secret");
  auth->in_clear = true;
  Play how;
  how.settings.auth = auth;
  expect("in clear", std::string(hello) + std::string(R"(AUTH PLAIN
      C: AUTH PLAIN AHVzZXIAc2VjcmV0
      S: 235 ok
      = ready)"),
         how);
}

TEST_CASE("client dialog: credentials wait for STARTTLS, and are not sent when it is refused") {
  auto auth = std::make_shared<ClientAuth>();
  auth->user = "user";
  auth->password = Secret("secret");
  Play how;
  how.settings.auth = auth;
  expect("STARTTLS", R"(
      S: 220 mx
      C: EHLO me.example
      S: 250-mx
      S: 250-AUTH PLAIN
      S: 250 STARTTLS
      C: STARTTLS
      S: 220 go
      = tls
      > tls
      C: EHLO me.example
      S: 250-mx
      S: 250 AUTH LOGIN
      C: AUTH LOGIN
      S: 334
      C: dXNlcg==)",
         how);
  expect("STARTTLS refused", R"(
      S: 220 mx
      C: EHLO me.example
      S: 250-mx
      S: 250-AUTH PLAIN
      S: 250 STARTTLS
      C: STARTTLS
      S: 454 no
      C: QUIT
      ! starttls: lacks AUTH: the session is not under TLS
      = closed)",
         how);
}

TEST_CASE("sasl client: a response too long for the command comes after it") {
  auto auth = std::make_shared<ClientAuth>();
  auth->user = "user";
  auth->password = Secret(std::string(368, 'p'));  // 374 bytes: 500 of base64, 13 of the command
  SaslClient longer(auth, Mechanism::plain);
  CHECK(longer.command().reveal() == "AUTH PLAIN\r\n");
  const auto response = longer.respond();
  REQUIRE(response);
  CHECK(decode_base64(response->reveal().substr(0, response->reveal().size() - 2)) ==
        std::string("\0user\0", 6) + std::string(368, 'p'));
  CHECK_FALSE(longer.respond());
  auth = std::make_shared<ClientAuth>(*auth);
  auth->password = Secret(std::string(366, 'p'));  // 372 bytes: 496
  SaslClient shorter(auth, Mechanism::plain);
  CHECK(shorter.command().reveal().size() == 509);
  CHECK_FALSE(shorter.respond());
}

TEST_CASE("base64: what is encoded decodes to itself") {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    const Secret encoded = encode_base64(bytes);
    CHECK(decode_base64(encoded.reveal()) == bytes);
    bytes += static_cast<char>(i * 7);
  }
  CHECK(encode_base64("f").reveal() == "Zg==");
  CHECK(encode_base64("fooba").reveal() == "Zm9vYmE=");
}
