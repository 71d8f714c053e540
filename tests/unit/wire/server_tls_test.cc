// STARTTLS (RFC 3207), and what a man in the middle may put behind it in the clear.
#include <doctest/doctest.h>

#include "tests/unit/wire/server_script.h"

using namespace relay;
using namespace relay::wire;

namespace {

std::string ehlo(const std::string& offer) {
  return "C: EHLO x\n"
         "S: 250-mx.test\n"
         "S: 250-PIPELINING\n"
         "S: 250-SIZE 1000\n"
         "S: 250-LIMITS MAILMAX=10000 RCPTMAX=3\n" +
         (offer.empty() ? "" : "S: 250-" + offer + "\n") +
         "S: 250-DSN\n"
         "S: 250-ENHANCEDSTATUSCODES\n"
         "S: 250-8BITMIME\n"
         "S: 250-SMTPUTF8\n"
         "S: 250-CHUNKING\n"
         "S: 250 HELP\n";
}
const std::string greeting = "S: 220 mx.test ESMTP ready\n";
const std::string start = "C: STARTTLS\nS: 220 2.0.0 Ready to start TLS\nT:\n";

}  // namespace

TEST_CASE("server: STARTTLS, AUTH, and the session starts anew (RFC 3207 4.2)") {
  play(submission_settings(), greeting + ehlo("STARTTLS") + start +
                                  "C: MAIL FROM:<a@b.test>\n"
                                  "S: 503 5.5.1 EHLO first\n" +
                                  ehlo("AUTH PLAIN LOGIN") +
                                  "C: STARTTLS\n"
                                  "S: 503 5.5.1 TLS is on already\n"
                                  "C: AUTH PLAIN AGFwcABzZWNyZXQ=\n"
                                  "S: 235 2.7.0 Authentication successful\n"
                                  "C: MAIL FROM:<a@b.test>\n"
                                  "S: 250 2.1.0 Sender ok\n");
}

TEST_CASE("server: STARTTLS forgets the transaction and who has authenticated") {
  ServerSettings settings = submission_settings();
  settings.require_tls = false;
  play(settings, greeting +
                     "C: EHLO x\n"
                     "S: 250-mx.test\n"
                     "S: 250-PIPELINING\n"
                     "S: 250-SIZE 1000\n"
                     "S: 250-LIMITS MAILMAX=10000 RCPTMAX=3\n"
                     "S: 250-STARTTLS\n"
                     "S: 250-AUTH PLAIN LOGIN\n"
                     "S: 250-DSN\n"
                     "S: 250-ENHANCEDSTATUSCODES\n"
                     "S: 250-8BITMIME\n"
                     "S: 250-SMTPUTF8\n"
                     "S: 250-CHUNKING\n"
                     "S: 250 HELP\n"
                     "C: AUTH PLAIN AGFwcABzZWNyZXQ=\n"
                     "S: 235 2.7.0 Authentication successful\n"
                     "C: MAIL FROM:<a@b.test>\n"
                     "S: 250 2.1.0 Sender ok\n" +
                     start + ehlo("AUTH PLAIN LOGIN") +
                     "C: RCPT TO:<c@d.test>\n"
                     "S: 503 5.5.1 MAIL first\n"
                     "C: MAIL FROM:<a@b.test>\n"
                     "S: 530 5.7.0 Authentication required\n");
}

TEST_CASE("server: STARTTLS not offered") {
  ServerSettings settings = sink_settings();
  settings.offer_starttls = false;
  play(settings, greeting + ehlo("") + "C: STARTTLS\nS: 502 5.5.1 STARTTLS is not offered\n");
  play(sink_settings(), greeting + "C: STARTTLS now\nS: 501 5.5.4 STARTTLS takes no argument\n");
}

TEST_CASE("server: injection: nothing sent in the clear behind STARTTLS is obeyed under TLS") {
  const std::string injected = "EHLO evil\r\nMAIL FROM:<evil@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nx";
  const std::string before = "EHLO x\r\nSTARTTLS\r\n";
  ScriptedServer clean(sink_settings());
  clean.feed(before);
  // Behind it in the same read, in the next one, and split between them.
  for (std::size_t cut = 0; cut <= injected.size(); ++cut) {
    CAPTURE(cut);
    ScriptedServer server(sink_settings());
    server.feed(before + injected.substr(0, cut));
    server.dialog.on_bytes(injected.substr(cut), server.now);
    server.pump();
    CHECK(server.said == clean.said);
    server.handshake();
    CHECK(server.said == clean.said);
    server.feed("NOOP\r\n");
    CHECK(server.said == clean.said + "250 2.0.0 Ok\r\n");
  }
}

TEST_CASE("server: injection: nor behind a STARTTLS that had to wait for the message before it") {
  ScriptedServer server(sink_settings());
  server.feed(
      "HELO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nm\r\n.\r\n"
      "STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@b.test>\r\nRCPT TO:<c@d.test>\r\n");
  CHECK(server.taken.size() == 1);
  CHECK(server.said.ends_with("250 2.0.0 Taken\r\n220 2.0.0 Ready to start TLS\r\n"));
  server.handshake();
  server.said.clear();
  server.feed("DATA\r\n");
  CHECK(server.said == "503 5.5.1 MAIL first\r\n");
}

TEST_CASE("server: injection: nor behind one that had to wait for AUTH") {
  ServerSettings settings = submission_settings();
  settings.require_tls = false;
  ScriptedServer server(settings);
  server.feed(
      "EHLO x\r\nAUTH PLAIN AGFwcABzZWNyZXQ=\r\nSTARTTLS\r\nEHLO evil\r\nAUTH PLAIN AGV2aWwAeA==\r\n");
  server.handshake();
  server.said.clear();
  server.feed("NOOP\r\n");
  CHECK(server.said == "250 2.0.0 Ok\r\n");
  CHECK(server.authentications.size() == 1);
}

TEST_CASE("server: a handshake that does not end is given up without a word in the clear") {
  ScriptedServer server(sink_settings());
  server.feed("STARTTLS\r\n");
  server.said.clear();
  REQUIRE(server.dialog.wants() == Want::tls_handshake);
  REQUIRE(server.dialog.deadline() != never);
  server.dialog.on_timeout(server.dialog.deadline());
  server.pump();
  CHECK(server.said.empty());
  CHECK(server.dialog.wants() == Want::close);
  server.dialog.on_tls({"TLSv1.3", "test"}, server.now);  // late
  CHECK(server.dialog.wants() == Want::close);
}

TEST_CASE("server: a failed handshake ends the session") {
  ScriptedServer server(sink_settings());
  server.feed("STARTTLS\r\n");
  server.said.clear();
  server.dialog.on_closed({Closed::Why::tls_failed, "no shared cipher"}, server.now);
  server.pump();
  CHECK(server.said.empty());
  CHECK(server.dialog.wants() == Want::close);
  CHECK(server.dialog.deadline() == never);
}
