#include <doctest/doctest.h>

#include "tests/unit/wire/server_script.h"

using namespace relay::wire;

namespace {

// A sink's session up to the reply to EHLO.
const std::string hello =
    "S: 220 mx.test ESMTP ready\n"
    "C: EHLO client.test\n"
    "S: 250-mx.test\n"
    "S: 250-PIPELINING\n"
    "S: 250-SIZE 1000\n"
    "S: 250-LIMITS MAILMAX=10000 RCPTMAX=3\n"
    "S: 250-STARTTLS\n"
    "S: 250-DSN\n"
    "S: 250-ENHANCEDSTATUSCODES\n"
    "S: 250-8BITMIME\n"
    "S: 250-SMTPUTF8\n"
    "S: 250-CHUNKING\n"
    "S: 250 HELP\n";

const std::string quit =
    "C: QUIT\n"
    "S: 221 2.0.0 mx.test closing connection\n"
    "X:\n";

}  // namespace

TEST_CASE("server: a message, command by command") {
  Outcome outcome = play(sink_settings(), hello +
                                              "C: MAIL FROM:<a@b.test> SIZE=100\n"
                                              "S: 250 2.1.0 Sender ok\n"
                                              "C: RCPT TO:<c@D.test>\n"
                                              "S: 250 2.1.5 Recipient ok\n"
                                              "C: RCPT TO: <Postmaster>\n"
                                              "S: 250 2.1.5 Recipient ok\n"
                                              "C: DATA\n"
                                              "S: 354 End data with <CR><LF>.<CR><LF>\n"
                                              "C: Subject: x\n"
                                              "C: \n"
                                              "C: ..dot\n"
                                              "C: .\n"
                                              "S: 250 2.0.0 Taken\n" +
                                              quit);
  REQUIRE(outcome.taken.size() == 1);
  CHECK(outcome.taken[0] ==
        "from <a@b.test> to <c@d.test> <Postmaster@mx.test> esmtp client.test by ''\n"
        "Subject: x\r\n\r\n.dot\r\n");
}

TEST_CASE("server: pipelined groups are answered in their order (RFC 2920)") {
  Outcome outcome = play(sink_settings(), hello +
                                              "C: MAIL FROM:<a@b.test>\n"
                                              "C: RCPT TO:<c@d.test>\n"
                                              "C: RCPT TO:<x@refused.example>\n"
                                              "C: DATA\n"
                                              "S: 250 2.1.0 Sender ok\n"
                                              "S: 250 2.1.5 Recipient ok\n"
                                              "S: 550 5.1.1 No such user\n"
                                              "S: 354 End data with <CR><LF>.<CR><LF>\n"
                                              "C: one\n"
                                              "C: .\n"
                                              "C: MAIL FROM:<>\n"
                                              "C: RCPT TO:<e@f.test>\n"
                                              "C: DATA\n"
                                              "C: two\n"
                                              "C: .\n"
                                              "C: NOOP\n"
                                              "S: 250 2.0.0 Taken\n"
                                              "S: 250 2.1.0 Sender ok\n"
                                              "S: 250 2.1.5 Recipient ok\n"
                                              "S: 354 End data with <CR><LF>.<CR><LF>\n"
                                              "S: 250 2.0.0 Taken\n"
                                              "S: 250 2.0.0 Ok\n" +
                                              quit);
  REQUIRE(outcome.taken.size() == 2);
  CHECK(outcome.taken[0] == "from <a@b.test> to <c@d.test> esmtp client.test by ''\none\r\n");
  CHECK(outcome.taken[1] == "from <> to <e@f.test> esmtp client.test by ''\ntwo\r\n");
}

TEST_CASE("server: HELO, and no parameters then") {
  Outcome outcome = play(sink_settings(),
                         "S: 220 mx.test ESMTP ready\n"
                         "C: HELO old\n"
                         "S: 250 mx.test\n"
                         "C: MAIL FROM:<a@b.test> SIZE=1\n"
                         "S: 555 5.5.4 Parameters need EHLO\n"
                         "C: MAIL FROM:<a@b.test>\n"
                         "C: RCPT TO:<c@d.test>\n"
                         "C: DATA\n"
                         "C: x\n"
                         "C: .\n"
                         "S: 250 2.1.0 Sender ok\n"
                         "S: 250 2.1.5 Recipient ok\n"
                         "S: 354 End data with <CR><LF>.<CR><LF>\n"
                         "S: 250 2.0.0 Taken\n" +
                             quit);
  REQUIRE(outcome.taken.size() == 1);
  CHECK(outcome.taken[0] == "from <a@b.test> to <c@d.test> smtp old by ''\nx\r\n");
}

TEST_CASE("server: commands out of order") {
  play(sink_settings(),
       "S: 220 mx.test ESMTP ready\n"
       "C: MAIL FROM:<a@b.test>\n"
       "S: 503 5.5.1 EHLO first\n"
       "C: RCPT TO:<a@b.test>\n"
       "S: 503 5.5.1 MAIL first\n"
       "C: DATA\n"
       "S: 503 5.5.1 MAIL first\n"
       "C: HELO x\n"
       "S: 250 mx.test\n"
       "C: DATA\n"
       "S: 503 5.5.1 MAIL first\n"
       "C: MAIL FROM:<a@b.test>\n"
       "S: 250 2.1.0 Sender ok\n"
       "C: MAIL FROM:<a@b.test>\n"
       "S: 503 5.5.1 Sender already given\n"
       "C: DATA\n"
       "S: 554 5.5.1 No valid recipients\n"
       "C: RCPT TO:<x@refused.example>\n"
       "C: DATA\n"
       "S: 550 5.1.1 No such user\n"
       "S: 554 5.5.1 No valid recipients\n"
       "C: RCPT TO:<c@d.test>\n"
       "S: 250 2.1.5 Recipient ok\n"
       "C: RSET\n"
       "S: 250 2.0.0 Ok\n"
       "C: RCPT TO:<c@d.test>\n"
       "S: 503 5.5.1 MAIL first\n" +
           quit);
}

TEST_CASE("server: EHLO in a transaction resets it (RFC 5321 4.1.4)") {
  play(sink_settings(), hello +
                            "C: MAIL FROM:<a@b.test>\n"
                            "C: RCPT TO:<c@d.test>\n"
                            "C: HELO again\n"
                            "C: DATA\n"
                            "S: 250 2.1.0 Sender ok\n"
                            "S: 250 2.1.5 Recipient ok\n"
                            "S: 250 mx.test\n"
                            "S: 503 5.5.1 MAIL first\n" +
                            quit);
}

TEST_CASE("server: what needs no transaction") {
  play(sink_settings(),
       hello +
           "C: noop\n"
           "C: VRFY bob\n"
           "C: EXPN staff\n"
           "C: XYZZY\n"
           "C: \n"
           "C: EHLO\n"
           "S: 250 2.0.0 Ok\n"
           "S: 252 2.0.0 Send some mail, and we will try to deliver it\n"
           "S: 502 5.5.1 EXPN is not offered\n"
           "S: 500 5.5.2 Command not recognized\n"
           "S: 500 5.5.2 Command not recognized\n"
           "S: 501 5.5.4 Syntax: EHLO name\n"
           "C: HELP\n"
           "S: 214-2.0.0 Commands: EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY HELP\n"
           "S: 214-2.0.0 A message has at most 1000 bytes and 3 recipients\n"
           "S: 214 2.0.0 Keep what the reply to a message says after \"queued as\": by this id it can be "
           "looked "
           "up\n" +
           quit);
}

TEST_CASE("server: the owner's refusals end what they must and no more") {
  Outcome outcome = play(sink_settings(), hello +
                                              "C: MAIL FROM:<refused@b.test>\n"
                                              "S: 550 5.7.1 Not you\n"
                                              "C: MAIL FROM:<a@b.test>\n"
                                              "C: RCPT TO:<c@d.test>\n"
                                              "C: DATA\n"
                                              "C: reject me\n"
                                              "C: .\n"
                                              "S: 250 2.1.0 Sender ok\n"
                                              "S: 250 2.1.5 Recipient ok\n"
                                              "S: 354 End data with <CR><LF>.<CR><LF>\n"
                                              "S: 554 5.7.1 No\n"
                                              "C: DATA\n"
                                              "S: 503 5.5.1 MAIL first\n" +
                                              quit);
  CHECK(outcome.taken.size() == 1);
}

TEST_CASE("server: more recipients than the limit are put off (RFC 5321 4.5.3.1.10)") {
  Outcome outcome = play(sink_settings(), hello +
                                              "C: MAIL FROM:<a@b.test>\n"
                                              "C: RCPT TO:<1@d.test>\n"
                                              "C: RCPT TO:<2@d.test>\n"
                                              "C: RCPT TO:<3@d.test>\n"
                                              "C: RCPT TO:<4@d.test>\n"
                                              "C: DATA\n"
                                              "C: x\n"
                                              "C: .\n"
                                              "S: 250 2.1.0 Sender ok\n"
                                              "S: 250 2.1.5 Recipient ok\n"
                                              "S: 250 2.1.5 Recipient ok\n"
                                              "S: 250 2.1.5 Recipient ok\n"
                                              "S: 452 4.5.3 Too many recipients\n"
                                              "S: 354 End data with <CR><LF>.<CR><LF>\n"
                                              "S: 250 2.0.0 Taken\n" +
                                              quit);
  REQUIRE(outcome.taken.size() == 1);
  CHECK(outcome.taken[0].starts_with("from <a@b.test> to <1@d.test> <2@d.test> <3@d.test> esmtp"));
}

TEST_CASE("server: messages larger than SIZE, declared and not") {
  Outcome outcome = play(sink_settings(), hello +
                                              "C: MAIL FROM:<a@b.test> SIZE=1001\n"
                                              "S: 552 5.3.4 Message is larger than 1000 bytes\n"
                                              "C: MAIL FROM:<a@b.test> SIZE=99999999999999999999\n"
                                              "S: 552 5.3.4 Message is larger than 1000 bytes\n"
                                              "C: MAIL FROM:<a@b.test> SIZE=1000\n"
                                              "C: RCPT TO:<c@d.test>\n"
                                              "C: DATA\n"
                                              "S: 250 2.1.0 Sender ok\n"
                                              "S: 250 2.1.5 Recipient ok\n"
                                              "S: 354 End data with <CR><LF>.<CR><LF>\n"
                                              "C: " +
                                              std::string(990, 'x') +
                                              "\n"
                                              "C: more than is left\n"
                                              "C: QUIT\n"
                                              "C: .\n"
                                              "S: 552 5.3.4 Message is larger than 1000 bytes\n"
                                              "C: MAIL FROM:<a@b.test>\n"
                                              "C: RCPT TO:<c@d.test>\n"
                                              "C: DATA\n"
                                              "C: " +
                                              std::string(998, 'x') +
                                              "\n"
                                              "C: .\n"
                                              "S: 250 2.1.0 Sender ok\n"
                                              "S: 250 2.1.5 Recipient ok\n"
                                              "S: 354 End data with <CR><LF>.<CR><LF>\n"
                                              "S: 250 2.0.0 Taken\n" +
                                              quit);
  CHECK(outcome.taken.size() == 1);
}

TEST_CASE("server: lines too long are refused whole and the next line is understood") {
  ServerSettings settings = sink_settings();
  settings.limits.command_line_bytes = 64;
  const std::string fits = "NOOP " + std::string(64 - 2 - 5, 'x');
  play(settings, hello + "C: " + fits + "\nS: 250 2.0.0 Ok\nC: " + fits +
                     "y\nS: 500 5.5.2 Line too long\nC: NOOP\nS: 250 2.0.0 Ok\nC: " + std::string(500, 'z') +
                     "\nC: NOOP\nS: 500 5.5.2 Line too long\nS: 250 2.0.0 Ok\n" + quit);
}

TEST_CASE("server: garbage gets an answer a line, until there is too much of it") {
  ServerSettings settings = sink_settings();
  settings.limits.errors = 3;
  play(settings,
       "S: 220 mx.test ESMTP ready\n"
       "C= \\x15\\x03\\x01\\0\\xff\\n\n"
       "S: 500 5.5.2 Control character in a command\n"
       "C: User-Agent: x\n"
       "S: 500 5.5.2 Command not recognized\n"
       "C: Host: mx.test\n"
       "S: 500 5.5.2 Command not recognized\n"
       "C: \n"
       "C: NOOP\n"
       "S: 500 5.5.2 Command not recognized\n"
       "S: 421 4.7.0 mx.test Too many errors, closing\n"
       "X:\n");
}

TEST_CASE("server: an accepted message forgives the errors before it") {
  ServerSettings settings = sink_settings();
  settings.limits.errors = 2;
  std::string script = hello, message =
                                  "C: BAD\n"
                                  "S: 500 5.5.2 Command not recognized\n"
                                  "C: BAD\n"
                                  "S: 500 5.5.2 Command not recognized\n"
                                  "C: MAIL FROM:<a@b.test>\n"
                                  "C: RCPT TO:<c@d.test>\n"
                                  "C: DATA\n"
                                  "C: .\n"
                                  "S: 250 2.1.0 Sender ok\n"
                                  "S: 250 2.1.5 Recipient ok\n"
                                  "S: 354 End data with <CR><LF>.<CR><LF>\n"
                                  "S: 250 2.0.0 Taken\n";
  CHECK(play(settings, script + message + message + message + quit).taken.size() == 3);
}

TEST_CASE("server: 8-bit and internationalized mail is told as it is (RFC 6152, RFC 6531)") {
  struct {
    const char* mail;
    const char* rcpt;
    const char* content;
    const char* told;
  } const cases[] = {
      {"<a@b.test> BODY=8BITMIME", "<c@d.test>", "C: x\n", "from <a@b.test> to <c@d.test> 8bit esmtp"},
      {"<a@b.test> BODY=7BIT", "<c@d.test>", "C: \xc3\xa9\n", "from <a@b.test> to <c@d.test> 8bit esmtp"},
      {"<a@b.test>", "<c@d.test>", "C: x\n", "from <a@b.test> to <c@d.test> esmtp"},
      {"<j\xc3\xb6@b.test> SMTPUTF8", "<c@d.test>", "C: x\n",
       "from <j\xc3\xb6@b.test> to <c@d.test> utf8 esmtp"},
      {"<a@b.test> SMTPUTF8", "<j\xc3\xb6@d.test>", "C: x\n",
       "from <a@b.test> to <j\xc3\xb6@d.test> utf8 esmtp"},
      // Declared by clients that always do, needed by nothing: a host without SMTPUTF8 can have it.
      {"<a@b.test> SMTPUTF8", "<c@d\xc3\xbc.test>", "C: x\n", "from <a@b.test> to <c@xn--d-eha.test> esmtp"},
      {"<a@b.test> SMTPUTF8", "<c@d.test>", "C: S: x\nC: \nC: \xc3\xa9\n",
       "from <a@b.test> to <c@d.test> 8bit esmtp"},
      {"<a@b.test> SMTPUTF8", "<c@d.test>", "C: S: \xc3\xa9\nC: \nC: x\n",
       "from <a@b.test> to <c@d.test> utf8 8bit esmtp"},
  };
  for (const auto& c : cases) {
    CAPTURE(std::string(c.told));
    Outcome outcome = play(sink_settings(), hello + "C: MAIL FROM:" + c.mail + "\nC: RCPT TO:" + c.rcpt +
                                                "\nC: DATA\n" + c.content +
                                                "C: .\n"
                                                "S: 250 2.1.0 Sender ok\n"
                                                "S: 250 2.1.5 Recipient ok\n"
                                                "S: 354 End data with <CR><LF>.<CR><LF>\n"
                                                "S: 250 2.0.0 Taken\n" +
                                                quit);
    REQUIRE(outcome.taken.size() == 1);
    CHECK(outcome.taken[0].starts_with(c.told));
  }
  play(sink_settings(), hello +
                            "C: MAIL FROM:<a@b.test>\n"
                            "C: RCPT TO:<j\xc3\xb6@d.test>\n"
                            "S: 250 2.1.0 Sender ok\n"
                            "S: 553 5.6.7 Non-ASCII addresses need SMTPUTF8\n" +
                            quit);
}
