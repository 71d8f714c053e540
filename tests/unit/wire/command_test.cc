#include "mta/wire/command.h"

#include <doctest/doctest.h>

#include <string>

using namespace relay::wire;

namespace {

std::string quoted(const std::string& text) { return "'" + text + "'"; }

std::string told(const Command& command) {
  struct {
    std::string operator()(const Ehlo& c) const { return (c.extended ? "EHLO " : "HELO ") + quoted(c.name); }
    std::string operator()(const MailFrom& c) const {
      return "MAIL " + quoted(c.reverse_path) + (c.size ? " size=" + std::to_string(*c.size) : "") +
             (c.eight_bit ? " 8bit" : "") + (c.smtputf8 ? " utf8" : "");
    }
    std::string operator()(const RcptTo& c) const { return "RCPT " + quoted(c.address); }
    std::string operator()(const Auth& c) const {
      return "AUTH " + c.mechanism + (c.initial ? " " + quoted(*c.initial) : "");
    }
    std::string operator()(const Data&) const { return "DATA"; }
    std::string operator()(const Rset&) const { return "RSET"; }
    std::string operator()(const Noop&) const { return "NOOP"; }
    std::string operator()(const Quit&) const { return "QUIT"; }
    std::string operator()(const StartTls&) const { return "STARTTLS"; }
    std::string operator()(const Vrfy&) const { return "VRFY"; }
    std::string operator()(const Expn&) const { return "EXPN"; }
    std::string operator()(const Help&) const { return "HELP"; }
    std::string operator()(const Fault& c) const {
      return std::to_string(c.reply.code) + " " + c.reply.enhanced;
    }
  } visitor;
  return std::visit(visitor, command);
}

struct Case {
  std::string line, result;
};

void check(const Case& c, const CommandContext& context) {
  CAPTURE(c.line);
  CHECK(told(parse_command(c.line, context)) == c.result);
}

}  // namespace

TEST_CASE("command: verbs") {
  const Case cases[] = {
      {"NOOP", "NOOP"},
      {"noop", "NOOP"},
      {"NoOp  anything", "NOOP"},
      {"RSET", "RSET"},
      {"rset  ", "RSET"},
      {"QUIT", "QUIT"},
      {"DATA", "DATA"},
      {"STARTTLS", "STARTTLS"},
      {"HELP", "HELP"},
      {"HELP MAIL", "HELP"},
      {"VRFY bob", "VRFY"},
      {"EXPN list", "EXPN"},
      {"VRFY", "501 5.5.4"},
      {"RSET x", "501 5.5.4"},
      {"QUIT now", "501 5.5.4"},
      {"DATA x", "501 5.5.4"},
      {"STARTTLS x", "501 5.5.4"},
      {"", "500 5.5.2"},
      {" NOOP", "500 5.5.2"},
      {"NOOPS", "500 5.5.2"},
      {"XNOOP", "500 5.5.2"},
      {"MAIL\tFROM:<a@b>", "500 5.5.2"},
      {"GET / HTTP/1.1", "500 5.5.2"},
      {"Subject: hello", "500 5.5.2"},
      {"BDAT 10 LAST", "500 5.5.2"},
      {"\xff\xfe", "500 5.5.2"},
      {std::string("NOOP\0", 5), "500 5.5.2"},
      {std::string("MAIL FROM:<a@b>\0", 16), "500 5.5.2"},
  };
  for (const Case& c : cases) check(c, {});
}

TEST_CASE("command: EHLO and HELO") {
  const Case cases[] = {
      {"EHLO client.example", "EHLO 'client.example'"},
      {"ehlo Client.Example ", "EHLO 'client.example'"},
      {"HELO client", "HELO 'client'"},
      {"EHLO [192.0.2.1]", "EHLO '[192.0.2.1]'"},
      {"EHLO [IPv6:2001:DB8::1]", "EHLO '[IPv6:2001:db8::1]'"},
      {"EHLO b\xc3\xbc"
       "cher.example",
       "EHLO 'xn--bcher-kva.example'"},
      {"EHLO my_laptop.local", "EHLO 'my_laptop.local'"},
      {"EHLO -odd-", "EHLO '-odd-'"},
      {"EHLO", "501 5.5.4"},
      {"EHLO ", "501 5.5.4"},
      {"HELO", "501 5.5.4"},
      {"EHLO a b", "501 5.5.4"},
      {"EHLO a\rb", "501 5.5.4"},
      {"EHLO \xff", "501 5.5.4"},
      {"EHLO " + std::string(256, 'a'), "501 5.5.4"},
  };
  for (const Case& c : cases) check(c, {});
}

TEST_CASE("command: MAIL") {
  const Case cases[] = {
      {"MAIL FROM:<a@b>", "MAIL 'a@b'"},
      {"mail from:<A@B>", "MAIL 'A@b'"},
      {"MAIL FROM:<>", "MAIL ''"},
      {"MAIL FROM: <a@b>", "MAIL 'a@b'"},
      {"MAIL FROM:   <a@b>  ", "MAIL 'a@b'"},
      {"MAIL FROM:<@relay.example:a@b>", "MAIL 'a@b'"},
      {"MAIL FROM:<a@b> SIZE=1000", "MAIL 'a@b' size=1000"},
      {"MAIL FROM:<a@b> size=0  body=8bitmime", "MAIL 'a@b' size=0 8bit"},
      {"MAIL FROM:<a@b> BODY=7BIT", "MAIL 'a@b'"},
      {"MAIL FROM:<a@b> BODY=8BITMIME SMTPUTF8", "MAIL 'a@b' 8bit utf8"},
      {"MAIL FROM:<j\xc3\xb6rg@b> SMTPUTF8", "MAIL 'j\xc3\xb6rg@b' utf8"},
      {"MAIL FROM:<a@b\xc3\xbc"
       "cher.example> SMTPUTF8",
       "MAIL 'a@xn--bcher-kva.example' utf8"},
      {"MAIL FROM:<a@b> AUTH=<>", "MAIL 'a@b'"},
      {"MAIL FROM:<a@b> AUTH=e+3Dmc2@example.com SIZE=5", "MAIL 'a@b' size=5"},
      {"MAIL FROM:<a@b> SIZE=18446744073709551615", "MAIL 'a@b' size=18446744073709551615"},
      // RFC 1870 3: up to 20 digits are legal; more than fits is more than any limit
      {"MAIL FROM:<a@b> SIZE=99999999999999999999", "MAIL 'a@b' size=18446744073709551615"},
      {"MAIL FROM:<a@b> SIZE=100000000000000000000", "501 5.5.4"},
      {"MAIL", "501 5.5.4"},
      {"MAIL a@b", "501 5.5.4"},
      {"MAIL TO:<a@b>", "501 5.5.4"},
      {"MAIL FROM", "501 5.5.4"},
      {"MAIL FROM :<a@b>", "501 5.5.4"},
      {"MAIL FROM:", "501 5.1.7"},
      {"MAIL FROM:a@b", "501 5.1.7"},
      {"MAIL FROM:<a>", "501 5.1.7"},
      {"MAIL FROM:<postmaster>", "501 5.1.7"},
      {"MAIL FROM:<a@b", "501 5.1.7"},
      {"MAIL FROM:< a@b>", "501 5.1.7"},
      {"MAIL FROM:\t<a@b>", "501 5.1.7"},
      {"MAIL FROM:<a@b\r>", "501 5.1.7"},
      {"MAIL FROM:<a@b>SIZE=1", "501 5.5.2"},
      {"MAIL FROM:<a@b>>", "501 5.5.2"},
      {"MAIL FROM:<a@b>\rX", "501 5.5.2"},
      {"MAIL FROM:<a@b>\tSIZE=1", "501 5.5.2"},
      {"MAIL FROM:<a@b> SIZE", "501 5.5.4"},
      {"MAIL FROM:<a@b> SIZE=", "501 5.5.4"},
      {"MAIL FROM:<a@b> SIZE=x", "501 5.5.4"},
      {"MAIL FROM:<a@b> SIZE=-1", "501 5.5.4"},
      {"MAIL FROM:<a@b> SIZE=1k", "501 5.5.4"},
      {"MAIL FROM:<a@b> SIZE=1 SIZE=2", "501 5.5.4"},
      {"MAIL FROM:<a@b> BODY=9BIT", "501 5.5.4"},
      {"MAIL FROM:<a@b> BODY", "501 5.5.4"},
      {"MAIL FROM:<a@b> SMTPUTF8=yes", "501 5.5.4"},
      {"MAIL FROM:<a@b> AUTH", "501 5.5.4"},
      {"MAIL FROM:<a@b> =", "501 5.5.4"},
      {"MAIL FROM:<a@b> -X=1", "501 5.5.4"},
      {"MAIL FROM:<a@b> X\xc3\xa9=1", "501 5.5.4"},
      {"MAIL FROM:<a@b> AUTH=\r", "501 5.5.4"},
      {"MAIL FROM:<a@b> AUTH=a=b", "MAIL 'a@b'"},
      {"MAIL FROM:<a@b> RET=FULL", "555 5.5.4"},
      {"MAIL FROM:<a@b> BODY=BINARYMIME", "501 5.5.4"},
      {"MAIL FROM:<a@b> XYZZY", "555 5.5.4"},
      {"MAIL FROM:<j\xc3\xb6rg@b>", "553 5.6.7"},
      {"MAIL FROM:<a@b\xc3\xbc.example>", "553 5.6.7"},
      {"MAIL FROM:<j\xc3@b> SMTPUTF8", "501 5.1.7"},
  };
  for (const Case& c : cases) check(c, {});
  check({"MAIL FROM:<a@b> SIZE=1", "555 5.5.4"}, {.extended = false});
  check({"MAIL FROM:<a@b>", "MAIL 'a@b'"}, {.extended = false});
}

TEST_CASE("command: RCPT") {
  const Case cases[] = {
      {"RCPT TO:<a@b>", "RCPT 'a@b'"},
      {"rcpt to: <a@B>", "RCPT 'a@b'"},
      {"RCPT TO:<Postmaster>", "RCPT 'Postmaster'"},
      {"RCPT TO:<\"a b\"@[192.0.2.1]>", "RCPT '\"a b\"@[192.0.2.1]'"},
      {"RCPT TO:<>", "501 5.1.3"},
      {"RCPT TO:<bob>", "501 5.1.3"},
      {"RCPT TO:a@b", "501 5.1.3"},
      {"RCPT TO:", "501 5.1.3"},
      {"RCPT FROM:<a@b>", "501 5.5.4"},
      {"RCPT", "501 5.5.4"},
      {"RCPT TO:<a@b>,<c@d>", "501 5.5.2"},
      {"RCPT TO:<a@b> NOTIFY=NEVER", "555 5.5.4"},
      {"RCPT TO:<a@b> SIZE=1", "555 5.5.4"},
      {"RCPT TO:<j\xc3\xb6rg@b>", "553 5.6.7"},
  };
  for (const Case& c : cases) check(c, {});
  check({"RCPT TO:<j\xc3\xb6rg@b>", "RCPT 'j\xc3\xb6rg@b'"}, {.smtputf8 = true});
  check({"RCPT TO:<j\xc3@b>", "501 5.1.3"}, {.smtputf8 = true});
  check({"RCPT TO:<a@b> X=1", "555 5.5.4"}, {.extended = false});
}

TEST_CASE("command: AUTH") {
  const Case cases[] = {
      {"AUTH PLAIN", "AUTH PLAIN"},
      {"auth plain AGEAYg==", "AUTH PLAIN 'AGEAYg=='"},
      {"AUTH LOGIN =", "AUTH LOGIN ''"},
      {"AUTH XYZ", "AUTH XYZ"},
      {"AUTH", "501 5.5.4"},
      {"AUTH ", "501 5.5.4"},
      {"AUTH PLAIN a b", "501 5.5.4"},
  };
  for (const Case& c : cases) check(c, {});
}

TEST_CASE("command: every beginning of a line and every byte in it has an answer") {
  const std::string line = "MAIL FROM:<\"a b\"@[IPv6:2001:db8::1]> SIZE=10 BODY=8BITMIME SMTPUTF8 AUTH=<>";
  for (std::size_t cut = 0; cut <= line.size(); ++cut) {
    CHECK_FALSE(told(parse_command(line.substr(0, cut), {})).empty());
    for (int byte = 0; byte < 256; ++byte) {
      std::string damaged =
          line.substr(0, cut) + static_cast<char>(byte) + line.substr(std::min(cut + 1, line.size()));
      CHECK_FALSE(told(parse_command(damaged, {})).empty());
    }
  }
}

TEST_CASE("command: a refusal never carries the line's own control or 8-bit bytes") {
  for (const char* line : {"MAIL FROM:<a@b> X\x01Y=1", "MAIL FROM:<a@b> \xc3\xa9",
                           "MAIL FROM:<a@b> LONGKEYWORDLONGKEYWORDLONGKEYWORDLONGKEYWORD=1"}) {
    auto command = parse_command(line, {});
    REQUIRE(std::holds_alternative<Fault>(command));
    for (char c : std::get<Fault>(command).reply.text()) {
      CHECK(c >= ' ');
      CHECK(c <= '~');
    }
  }
}
