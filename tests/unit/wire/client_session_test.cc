// What a host can do before the first transaction, between transactions, and at the end.
#include <doctest/doctest.h>

#include "tests/unit/wire/client_script.h"

using namespace relay;
using namespace relay::wire;
using namespace relay::wire::test;

namespace {

struct Case {
  std::string_view name;
  TlsLevel tls;
  std::string_view script;
};

using enum TlsLevel;

const Case cases[] = {
    {"nothing is said", none, R"(
        > timeout
        ! greeting: timed out
        = closed)"},
    {"closed before the greeting", none, R"(
        > closed
        ! greeting: end of file
        = closed)"},
    {"connection refused", none, R"(
        > refused
        ! connect: connect failed, connection refused
        = closed)"},
    {"greeting 554", none, R"(
        S: 554 5.7.1 go away
        C: QUIT
        ! greeting: 554 5.7.1 go away
        = closed)"},
    {"greeting 450", none, R"(
        S: 450 later
        C: QUIT
        ! greeting: 450 later
        = closed)"},
    {"greeting 421", none, R"(
        S: 421 too many connections
        ! greeting: 421 too many connections
        = closed)"},
    {"greeting of a web server", none, R"(
        S: HTTP/1.1 400 Bad Request
        ! greeting: reset, the host sent what is no SMTP reply: "HTTP/1.1 400 Bad Request"
        = closed)"},
    {"greeting 354", none, R"(
        S: 354 go ahead
        ! greeting: reset, the host sent an unexpected reply 354 go ahead
        = closed)"},
    {"greeting without an end", none, R"(
        S_ 220 mx
        > timeout
        ! greeting: timed out
        = closed)"},
    {"greeting of many lines, bare LF, no text", none, R"(
        S: 220-mx.example
        S~ 220-welcome
        S~ 220
        C: EHLO me.example
        S: 250 mx.example
        = ready)"},
    {"closed after EHLO", none, R"(
        S: 220 mx
        C: EHLO me.example
        > closed
        ! ehlo: end of file
        = closed)"},
    {"EHLO times out", none, R"(
        S: 220 mx
        C: EHLO me.example
        > timeout
        ! ehlo: timed out
        = closed)"},
    {"EHLO 4xx", none, R"(
        S: 220 mx
        C: EHLO me.example
        S: 451 not now
        C: QUIT
        ! ehlo: 451 not now
        = closed)"},
    {"EHLO unknown, HELO known", none, R"(
        S: 220 mx
        C: EHLO me.example
        S: 502 what
        C: HELO me.example
        S: 250 mx
        = ready)"},
    {"EHLO and HELO refused", none, R"(
        S: 220 mx
        C: EHLO me.example
        S: 550 no
        C: HELO me.example
        S: 550 no, I said
        C: QUIT
        ! helo: 550 no, I said
        = closed)"},
    {"421 to HELO", none, R"(
        S: 220 mx
        C: EHLO me.example
        S: 500 what
        C: HELO me.example
        S: 421 bye
        ! helo: 421 bye
        = closed)"},
    {"EHLO lines with two codes", none, R"(
        S: 220 mx
        C: EHLO me.example
        S: 250-mx
        S: 220 SIZE
        ! ehlo: reset, the host sent a reply whose lines have different codes, 250 and 220
        = closed)"},

    {"STARTTLS not wanted", none, R"(
        S: 220 mx
        C: EHLO me.example
        S: 250-mx
        S: 250 STARTTLS
        = ready)"},
    {"STARTTLS", opportunistic, R"(
        S: 220 mx
        C: EHLO me.example
        S: 250-mx
        S: 250-PIPELINING
        S: 250 starttls
        C: STARTTLS
        S: 220 go ahead
        = tls
        > tls
        C: EHLO me.example
        S: 250 mx
        = ready
        > start s@x a@x
        C: MAIL FROM:<s@x>)"},
    {"STARTTLS, with a reply injected before the handshake", opportunistic, R"(
        S: 220 mx
        C: EHLO me.example
        S: 250-mx
        S: 250 STARTTLS
        C: STARTTLS
        S: 220 go ahead
        S: 250-mx
        S: 250 PIPELINING
        S_ 250-half
        = tls
        > tls
        C: EHLO me.example
        S: 250 mx
        = ready)"},
    {"STARTTLS not offered", opportunistic, R"(
        S: 220 mx
        C: EHLO me.example
        S: 250 mx
        = ready)"},
    {"STARTTLS refused for now", opportunistic, R"(
        S: 220 mx
        C: EHLO me.example
        S: 250-mx
        S: 250 STARTTLS
        C: STARTTLS
        S: 454 no certificate
        = ready)"},
    {"STARTTLS refused for good", opportunistic, R"(
        S: 220 mx
        C: EHLO me.example
        S: 250-mx
        S: 250 STARTTLS
        C: STARTTLS
        S: 502 what
        = ready)"},
    {"STARTTLS 421", opportunistic, R"(
        S: 220 mx
        C: EHLO me.example
        S: 250-mx
        S: 250 STARTTLS
        C: STARTTLS
        S: 421 bye
        ! starttls: 421 bye
        = closed)"},
    {"STARTTLS closes", opportunistic, R"(
        S: 220 mx
        C: EHLO me.example
        S: 250-mx
        S: 250 STARTTLS
        C: STARTTLS
        > reset
        ! starttls: reset, broken pipe
        = closed)"},
    {"handshake fails", opportunistic, R"(
        S: 220 mx
        C: EHLO me.example
        S: 250-mx
        S: 250 STARTTLS
        C: STARTTLS
        S: 220 go
        = tls
        > tls failed
        ! handshake: tls failed, bad record
        = closed)"},
    {"handshake hangs", opportunistic, R"(
        S: 220 mx
        C: EHLO me.example
        S: 250-mx
        S: 250 STARTTLS
        C: STARTTLS
        S: 220 go
        = tls
        > timeout
        ! handshake: timed out
        = closed)"},
    {"TLS required, not offered", encrypt, R"(
        S: 220 mx
        C: EHLO me.example
        S: 250 mx
        C: QUIT
        ! ehlo: lacks STARTTLS
        = closed)"},
    {"TLS required, host knows HELO alone", encrypt, R"(
        S: 220 mx
        C: EHLO me.example
        S: 502 what
        C: HELO me.example
        S: 250 mx
        C: QUIT
        ! helo: lacks STARTTLS
        = closed)"},
    {"TLS required, refused", encrypt, R"(
        S: 220 mx
        C: EHLO me.example
        S: 250-mx
        S: 250 STARTTLS
        C: STARTTLS
        S: 454 4.7.0 no certificate
        C: QUIT
        ! starttls: lacks STARTTLS: 454 4.7.0 no certificate
        = closed)"},
    {"TLS required and given", encrypt, R"(
        S: 220 mx
        C: EHLO me.example
        S: 250-mx
        S: 250 STARTTLS
        C: STARTTLS
        S: 220 go
        = tls
        > tls
        C: EHLO me.example
        S: 250-mx
        S: 250 STARTTLS
        = ready)"},

    {"421 while idle", none, R"(
        S: 220 mx
        C: EHLO me.example
        S: 250 mx
        = ready
        S: 421 idle for too long
        = closed)"},
    {"closed while idle", none, R"(
        S: 220 mx
        C: EHLO me.example
        S: 250 mx
        = ready
        > closed
        = closed)"},
    {"garbage while idle", none, R"(
        S: 220 mx
        C: EHLO me.example
        S: 250 mx
        = ready
        S_ ?
        = closed
        S: 250 what
        > timeout
        > closed)"},
    {"a reply too many", none, R"(
        S: 220 mx
        C: EHLO me.example
        S: 250 mx
        S: 250 mx
        = closed)"},
    {"QUIT", none, R"(
        S: 220 mx
        C: EHLO me.example
        S: 250 mx
        = ready
        > quit
        C: QUIT
        = quitting
        S: 221 bye
        = closed)"},
    {"QUIT without an answer", none, R"(
        S: 220 mx
        C: EHLO me.example
        S: 250 mx
        = ready
        > quit
        C: QUIT
        = quitting
        > timeout
        = closed)"},
    {"QUIT, closed at once", none, R"(
        S: 220 mx
        C: EHLO me.example
        S: 250 mx
        = ready
        > quit
        C: QUIT
        = quitting
        > closed
        = closed)"},
    {"QUIT refused", none, R"(
        S: 220 mx
        C: EHLO me.example
        S: 250 mx
        = ready
        > quit
        C: QUIT
        = quitting
        S: 500 never
        = closed)"},
};

}  // namespace

TEST_CASE("client dialog: what a host can do outside transactions, whole and cut at every byte") {
  for (const Case& c : cases) {
    Play how;
    how.settings.tls.level = c.tls;
    expect(c.name, c.script, how);
  }
}

TEST_CASE("client dialog: implicit TLS asks for no STARTTLS") {
  Play how;
  how.settings.tls.level = encrypt;
  how.settings.tls.implicit = true;
  how.implicit_tls = true;
  expect("implicit", R"(
      S: 220 mx
      C: EHLO me.example
      S: 250-mx
      S: 250 STARTTLS
      = ready)",
         how);
}

TEST_CASE("client dialog: implicit TLS is not gone on with in clear, whatever the level") {
  for (const TlsLevel level : {opportunistic, encrypt, verify, dane}) {
    Play how;
    how.settings.tls.level = level;
    how.settings.tls.implicit = true;
    expect("no TLS", R"(
        > timeout
        ! greeting: tls failed, TLS was to be there from the first byte
        = closed)",
           how);
  }
}

TEST_CASE("client dialog: a failed handshake of implicit TLS is the handshake's") {
  ClientSettings settings;
  settings.tls.implicit = true;
  ClientDialog dialog(settings, Instant());
  dialog.on_closed({Closed::Why::tls_failed, "bad", TlsProblem::certificate_expired}, Instant());
  REQUIRE(dialog.session_failure());
  CHECK(dialog.session_failure()->stage == Stage::handshake);
  CHECK(tls_problem(*dialog.session_failure()) == TlsProblem::certificate_expired);
}

TEST_CASE("client dialog: HELO alone") {
  Play how;
  how.settings.helo_only = true;
  expect("helo", R"(
      S: 220 mx
      C: HELO me.example
      S: 250-mx
      S: 250 STARTTLS
      = ready
      > start s@x a@x
      C: MAIL FROM:<s@x>)",
         how);
  how.settings.tls.level = encrypt;
  expect("helo, TLS demanded", R"(
      S: 220 mx
      C: HELO me.example
      S: 250 mx
      C: QUIT
      ! helo: lacks STARTTLS
      = closed)",
         how);
}

TEST_CASE("client dialog: who hangs up at EHLO may know HELO") {
  const ClientSettings usual;
  const Fact hung_up{Stage::ehlo, Closed{Closed::Why::end_of_file, ""}};
  CHECK(may_know_helo(usual, hung_up, false));
  CHECK(may_know_helo(usual, {Stage::ehlo, Closed{Closed::Why::reset, ""}}, false));
  CHECK_FALSE(may_know_helo(usual, hung_up, true));
  CHECK_FALSE(may_know_helo(usual, {Stage::ehlo, TimedOut{}}, false));
  CHECK_FALSE(may_know_helo(usual, {Stage::ehlo, Reply{421, "", {}}}, false));
  CHECK_FALSE(may_know_helo(usual, {Stage::greeting, Closed{}}, false));
  ClientSettings other;
  other.helo_only = true;
  CHECK_FALSE(may_know_helo(other, hung_up, false));
  other = {};
  other.tls.level = encrypt;
  CHECK_FALSE(may_know_helo(other, hung_up, false));
  other = {};
  other.auth = std::make_shared<const ClientAuth>();
  CHECK_FALSE(may_know_helo(other, hung_up, false));
}

TEST_CASE("client dialog: what a failed session is in reports of TLS") {
  CHECK(tls_problem({Stage::ehlo, Unsupported{"STARTTLS"}}) == TlsProblem::starttls_not_supported);
  CHECK(tls_problem({Stage::starttls, Closed{}}) == TlsProblem::validation_failure);
  CHECK(tls_problem({Stage::handshake, TimedOut{}}) == TlsProblem::validation_failure);
  CHECK(tls_problem(
            {Stage::handshake, Closed{Closed::Why::tls_failed, "", TlsProblem::certificate_host_mismatch}}) ==
        TlsProblem::certificate_host_mismatch);
  CHECK_FALSE(tls_problem({Stage::mail, Unsupported{"SIZE"}}));
  CHECK_FALSE(tls_problem({Stage::connect, Closed{Closed::Why::connect_failed, ""}}));
  CHECK(text(TlsProblem::certificate_host_mismatch) == "certificate-host-mismatch");
  CHECK(text(TlsProblem::sts_webpki_invalid) == "sts-webpki-invalid");
}

TEST_CASE("client dialog: connecting has a deadline") {
  const Instant now{std::chrono::seconds(5)};
  ClientDialog dialog({}, now);
  CHECK(dialog.deadline() == now + ClientTimeouts().connect);
  dialog.on_timeout(dialog.deadline());
  REQUIRE(dialog.session_failure());
  CHECK(dialog.session_failure()->stage == Stage::connect);
  CHECK(std::holds_alternative<TimedOut>(dialog.session_failure()->answer));
  CHECK(dialog.wants() == Want::close);
  CHECK(dialog.finished());
}

TEST_CASE("client dialog: a reply without end is cut off") {
  Play how;
  how.settings.ehlo_name = "me.example";
  how.settings.reply_bytes = 1000;
  std::string script = "S_ 220-" + std::string(2000, 'x') + "\n";
  CHECK(play(how, script) ==
        script + "! greeting: reset, the host sent a reply of more than 1000 bytes\n= closed\n");
  how.settings.reply_lines = 3;
  script = "S: 220-a\nS: 220-b\nS: 220-c\nS: 220-d\n";
  CHECK(play(how, script) ==
        script + "! greeting: reset, the host sent a reply of more than 3 lines\n= closed\n");
}

TEST_CASE("client dialog: every stage has a phrase") {
  for (int i = 0; i <= static_cast<int>(Stage::quit); ++i) CHECK(!phrase(static_cast<Stage>(i)).empty());
  CHECK(phrase(Stage::rcpt) == "sending RCPT TO");
}
