#include "mta/wire/command.h"

#include <doctest/doctest.h>

#include <string>

using namespace relay::wire;

namespace {

std::string quoted(const std::string& text) { return "'" + text + "'"; }

std::string told(DsnReturn ret) {
  return ret == DsnReturn::unsaid ? "" : ret == DsnReturn::full ? " full" : " headers";
}

std::string told(const Hold& hold) {
  if (const auto* period = std::get_if<relay::Duration>(&hold))
    return " for=" + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(*period).count());
  return " until=" + relay::format_rfc3339(std::get<relay::WallTime>(hold));
}

std::string told(const Command& command) {
  struct {
    std::string operator()(const Ehlo& c) const { return (c.extended ? "EHLO " : "HELO ") + quoted(c.name); }
    std::string operator()(const MailFrom& c) const {
      return "MAIL " + quoted(c.reverse_path) + (c.size ? " size=" + std::to_string(*c.size) : "") +
             (c.eight_bit ? " 8bit" : "") + (c.smtputf8 ? " utf8" : "") + told(c.ret) +
             (c.id.empty() ? "" : " id=" + quoted(c.id)) + (c.hold ? told(*c.hold) : "");
    }
    std::string operator()(const RcptTo& c) const {
      return "RCPT " + quoted(c.address) + (c.notify != 0 ? " notify=" + std::to_string(c.notify) : "") +
             (c.original.empty() ? "" : " orcpt=" + quoted(c.original));
    }
    std::string operator()(const Auth& c) const {
      return "AUTH " + c.mechanism + (c.initial ? " " + quoted(*c.initial) : "");
    }
    std::string operator()(const Data&) const { return "DATA"; }
    std::string operator()(const Bdat& c) const {
      return "BDAT " + (c.size ? std::to_string(*c.size) : "?") + (c.last ? " last" : "");
    }
    std::string operator()(const Foreign&) const { return "foreign"; }
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
      {"Subject: hello", "500 5.5.2"},
      {"\xff\xfe", "500 5.5.2"},
      {std::string("NOOP\0", 5), "500 5.5.2"},
      {std::string("MAIL FROM:<a@b>\0", 16), "501 5.5.2"},
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
      {"MAIL FROM:<a@b> AUTH=<c@d>", "MAIL 'a@b'"},
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
      {"MAIL FROM:<a@b> AUTH=a=b", "501 5.5.4"},
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

TEST_CASE("command: MAIL: what the sender wants to be told (RFC 3461)") {
  const std::string hundred(100, 'x');
  const Case cases[] = {
      {"MAIL FROM:<a@b> RET=FULL", "MAIL 'a@b' full"},
      {"MAIL FROM:<a@b> ret=hdrs", "MAIL 'a@b' headers"},
      {"MAIL FROM:<a@b> RET=HDRS ENVID=QQ314159", "MAIL 'a@b' headers id='QQ314159'"},
      {"MAIL FROM:<a@b> ENVID=a+2Bb+3Dc+20d", "MAIL 'a@b' id='a+b=c d'"},
      {"MAIL FROM:<a@b> ENVID=" + hundred, "MAIL 'a@b' id='" + hundred + "'"},
      {"MAIL FROM:<a@b> ENVID=" + hundred + "x", "501 5.5.4"},
      {"MAIL FROM:<a@b> ENVID=a+0Ab", "501 5.5.4"},
      {"MAIL FROM:<a@b> ENVID=a+C3+A9", "501 5.5.4"},
      {"MAIL FROM:<a@b> ENVID=a+2b", "501 5.5.4"},
      {"MAIL FROM:<a@b> ENVID=a+2", "501 5.5.4"},
      {"MAIL FROM:<a@b> ENVID=a+", "501 5.5.4"},
      {"MAIL FROM:<a@b> ENVID=a=b", "501 5.5.4"},
      {"MAIL FROM:<a@b> ENVID=", "501 5.5.4"},
      {"MAIL FROM:<a@b> ENVID", "501 5.5.4"},
      {"MAIL FROM:<a@b> RET", "501 5.5.4"},
      {"MAIL FROM:<a@b> RET=BODY", "501 5.5.4"},
      {"MAIL FROM:<a@b> RET=FULL RET=HDRS", "501 5.5.4"},
  };
  for (const Case& c : cases) check(c, {});
}

TEST_CASE("command: MAIL: a time to be sent at (RFC 4865)") {
  const Case cases[] = {
      {"MAIL FROM:<a@b> HOLDFOR=60", "MAIL 'a@b' for=60"},
      {"MAIL FROM:<a@b> holdfor=999999999", "MAIL 'a@b' for=999999999"},
      {"MAIL FROM:<a@b> HOLDUNTIL=2026-11-21T09:30:00Z", "MAIL 'a@b' until=2026-11-21T09:30:00.000Z"},
      {"MAIL FROM:<a@b> HOLDUNTIL=2026-11-21T09:30:00+01:00", "MAIL 'a@b' until=2026-11-21T08:30:00.000Z"},
      {"MAIL FROM:<a@b> HOLDFOR=0", "501 5.5.4"},
      {"MAIL FROM:<a@b> HOLDFOR=1000000000", "501 5.5.4"},
      {"MAIL FROM:<a@b> HOLDFOR=-1", "501 5.5.4"},
      {"MAIL FROM:<a@b> HOLDFOR=1h", "501 5.5.4"},
      {"MAIL FROM:<a@b> HOLDFOR", "501 5.5.4"},
      {"MAIL FROM:<a@b> HOLDUNTIL=tomorrow", "501 5.5.4"},
      {"MAIL FROM:<a@b> HOLDUNTIL", "501 5.5.4"},
      {"MAIL FROM:<a@b> HOLDFOR=60 HOLDUNTIL=2026-11-21T09:30:00Z", "501 5.5.4"},
  };
  for (const Case& c : cases) check(c, {});
}

TEST_CASE("command: RCPT: when to be told, and of whom (RFC 3461)") {
  const Case cases[] = {
      {"RCPT TO:<a@b> NOTIFY=NEVER", "RCPT 'a@b' notify=1"},
      {"RCPT TO:<a@b> notify=success,Failure,DELAY", "RCPT 'a@b' notify=14"},
      {"RCPT TO:<a@b> NOTIFY=DELAY", "RCPT 'a@b' notify=8"},
      {"RCPT TO:<a@b> ORCPT=rfc822;Bob+2Bx@example.com", "RCPT 'a@b' orcpt='rfc822;Bob+x@example.com'"},
      {"RCPT TO:<a@b> ORCPT=X400;+2FC=no NOTIFY=NEVER", "501 5.5.4"},
      {"RCPT TO:<a@b> ORCPT=X400;+2FC+3Dno NOTIFY=NEVER", "RCPT 'a@b' notify=1 orcpt='x400;/C=no'"},
      {"RCPT TO:<a@b> ORCPT=rfc822;" + std::string(493, 'x'),
       "RCPT 'a@b' orcpt='rfc822;" + std::string(493, 'x') + "'"},
      {"RCPT TO:<a@b> ORCPT=rfc822;" + std::string(494, 'x'), "501 5.5.4"},
      {"RCPT TO:<a@b> NOTIFY=NEVER,DELAY", "501 5.5.4"},
      {"RCPT TO:<a@b> NOTIFY=DELAY,DELAY", "501 5.5.4"},
      {"RCPT TO:<a@b> NOTIFY=DELAY,", "501 5.5.4"},
      {"RCPT TO:<a@b> NOTIFY=,DELAY", "501 5.5.4"},
      {"RCPT TO:<a@b> NOTIFY=ALWAYS", "501 5.5.4"},
      {"RCPT TO:<a@b> NOTIFY", "501 5.5.4"},
      {"RCPT TO:<a@b> ORCPT", "501 5.5.4"},
      {"RCPT TO:<a@b> ORCPT=bob@example.com", "501 5.5.4"},
      {"RCPT TO:<a@b> ORCPT=;bob@example.com", "501 5.5.4"},
      {"RCPT TO:<a@b> ORCPT=rfc822;", "501 5.5.4"},
      {"RCPT TO:<a@b> ORCPT=rf_c;bob", "501 5.5.4"},
      {"RCPT TO:<a@b> ORCPT=rfc822;a+0Db", "501 5.5.4"},
      {"RCPT TO:<a@b> ORCPT=rfc822;a+00b", "501 5.5.4"},
      {"RCPT TO:<a@b> ORCPT=rfc822;a+7Fb", "501 5.5.4"},
      {"RCPT TO:<a@b> ORCPT=rfc822;a+FFb", "501 5.5.4"},
      {"RCPT TO:<a@b> ORCPT=utf-8;j\xc3\xb6rg@b", "501 5.5.4"},
      {"RCPT TO:<a@b> RET=FULL", "555 5.5.4"},
  };
  for (const Case& c : cases) check(c, {});
  check({"RCPT TO:<a@b> ORCPT=utf-8;j\xc3\xb6rg@b", "RCPT 'a@b' orcpt='utf-8;j\xc3\xb6rg@b'"},
        {.smtputf8 = true});
  check({"RCPT TO:<a@b> ORCPT=utf-8;j\xc3@b", "501 5.5.4"}, {.smtputf8 = true});
  check({"RCPT TO:<a@b> NOTIFY=NEVER", "555 5.5.4"}, {.extended = false});
}

TEST_CASE("command: BDAT (RFC 3030)") {
  const Case cases[] = {
      {"BDAT 100", "BDAT 100"},
      {"bdat 0 last", "BDAT 0 last"},
      {"BDAT  18446744073709551615  LAST ", "BDAT 18446744073709551615 last"},
      {"BDAT 000010", "BDAT 10"},
      {"BDAT 18446744073709551616", "BDAT ?"},
      {"BDAT", "BDAT ?"},
      {"BDAT LAST", "BDAT ?"},
      {"BDAT -1", "BDAT ?"},
      {"BDAT +1", "BDAT ?"},
      {"BDAT 1x", "BDAT ?"},
      {"BDAT 0x10", "BDAT ?"},
      {"BDAT 1 FIRST", "BDAT ?"},
      {"BDAT 1 LAST LAST", "BDAT ?"},
      {"BDAT 1\r", "BDAT ?"},
      {"BDAT 1\tLAST", "BDAT ?"},
  };
  for (const Case& c : cases) check(c, {});
}

TEST_CASE("command: other protocols, and bytes that no command has") {
  const Case cases[] = {
      {"GET / HTTP/1.1", "foreign"},
      {"post /submit HTTP/1.0", "foreign"},
      {"CONNECT a:25 HTTP/1.1", "foreign"},
      {"PRI * HTTP/2.0", "foreign"},
      {std::string("\x16\x03\x01\x02\x00", 5), "foreign"},
      {"GETS", "500 5.5.2"},
      {std::string("NOOP\0", 5), "500 5.5.2"},
      {"NOOP \x01", "500 5.5.2"},
      {"NOOP \x7f", "500 5.5.2"},
      {"HELP \r", "500 5.5.2"},
      {"VRFY j\xc3\xb6rg", "VRFY"},
      {"VRFY j\xc3rg", "500 5.5.2"},
      {"NOOP a\tb", "NOOP"},
  };
  for (const Case& c : cases) check(c, {});
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
