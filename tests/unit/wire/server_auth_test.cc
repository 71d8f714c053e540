#include <doctest/doctest.h>

#include "tests/unit/wire/server_script.h"

using namespace relay;
using namespace relay::wire;

namespace {

// With implicit TLS, up to the reply to EHLO.
const std::string hello =
    "S: 220 mx.test ESMTP ready\n"
    "C: EHLO client.test\n"
    "S: 250-mx.test\n"
    "S: 250-PIPELINING\n"
    "S: 250-SIZE 1000\n"
    "S: 250-LIMITS MAILMAX=10000 RCPTMAX=3\n"
    "S: 250-AUTH PLAIN LOGIN\n"
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

TEST_CASE("server: AUTH PLAIN, then a message in that name") {
  for (const char* exchange :
       {"C: AUTH PLAIN AGFwcABzZWNyZXQ=\n", "C: auth plain\nS: 334 \nC: AGFwcABzZWNyZXQ=\n"}) {
    Outcome outcome = play(submission_settings(),
                           hello + exchange +
                               "S: 235 2.7.0 Authentication successful\n"
                               "C: MAIL FROM:<a@b.test>\n"
                               "C: RCPT TO:<c@d.test>\n"
                               "C: DATA\n"
                               "C: x\n"
                               "C: .\n"
                               "S: 250 2.1.0 Sender ok\n"
                               "S: 250 2.1.5 Recipient ok\n"
                               "S: 354 End data with <CR><LF>.<CR><LF>\n"
                               "S: 250 2.0.0 Taken\n" +
                               quit,
                           true);
    REQUIRE(outcome.taken.size() == 1);
    CHECK(outcome.taken[0] == "from <a@b.test> to <c@d.test> tls esmtp client.test by 'acc_1'\nx\r\n");
  }
}

TEST_CASE("server: AUTH LOGIN") {
  for (const char* exchange :
       {"C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: YXBw\nS: 334 UGFzc3dvcmQ6\nC: c2VjcmV0\n",
        "C: AUTH LOGIN YXBw\nS: 334 UGFzc3dvcmQ6\nC: c2VjcmV0\n"}) {
    play(submission_settings(),
         hello + exchange +
             "S: 235 2.7.0 Authentication successful\n"
             "C: MAIL FROM:<a@b.test>\n"
             "S: 250 2.1.0 Sender ok\n" +
             quit,
         true);
  }
}

TEST_CASE("server: AUTH that goes wrong leaves the session as it was") {
  play(submission_settings(),
       hello +
           "C: AUTH\n"
           "S: 501 5.5.4 Syntax: AUTH mechanism [initial-response]\n"
           "C: AUTH CRAM-MD5\n"
           "S: 504 5.5.4 Mechanism not offered\n"
           "C: AUTH PLAIN !!!\n"
           "S: 501 5.5.2 Cannot decode that response\n"
           "C: AUTH PLAIN =\n"
           "S: 501 5.5.2 Cannot decode that response\n"
           "C: AUTH PLAIN\n"
           "S: 334 \n"
           "C: *\n"
           "S: 501 5.7.0 Authentication cancelled\n"
           "C: AUTH LOGIN\n"
           "S: 334 VXNlcm5hbWU6\n"
           "C: *\n"
           "S: 501 5.7.0 Authentication cancelled\n"
           "C: AUTH LOGIN\n"
           "S: 334 VXNlcm5hbWU6\n"
           "C: QUIT now\n"
           "S: 501 5.5.2 Cannot decode that response\n"
           "C: AUTH PLAIN b3RoZXIAYXBwAHNlY3JldA==\n"
           "S: 501 5.5.2 Cannot decode that response\n"
           "C: MAIL FROM:<a@b.test>\n"
           "S: 530 5.7.0 Authentication required\n"
           "C: AUTH PLAIN AGFwcAB3cm9uZw==\n"
           "S: 535 5.7.8 Authentication credentials invalid\n"
           "C: AUTH PLAIN AGJ1c3kAeA==\n"
           "S: 454 4.7.0 Temporary authentication failure, try again later\n"
           "C: MAIL FROM:<a@b.test>\n"
           "S: 530 5.7.0 Authentication required\n"
           "C: AUTH PLAIN AGFwcABzZWNyZXQ=\n"
           "S: 235 2.7.0 Authentication successful\n"
           "C: AUTH PLAIN AGFwcABzZWNyZXQ=\n"
           "S: 503 5.5.1 Already authenticated\n" +
           quit,
       true);
}

TEST_CASE("server: too many wrong passwords end the session") {
  play(submission_settings(),
       hello +
           "C: AUTH PLAIN AGFwcAB3cm9uZw==\n"
           "C: AUTH PLAIN AGFwcAB3cm9uZw==\n"
           "C: AUTH PLAIN AGFwcAB3cm9uZw==\n"
           "C: AUTH PLAIN AGFwcABzZWNyZXQ=\n"
           "S: 535 5.7.8 Authentication credentials invalid\n"
           "S: 535 5.7.8 Authentication credentials invalid\n"
           "S: 535 5.7.8 Authentication credentials invalid\n"
           "S: 421 4.7.0 mx.test Too many failed authentications, closing\n"
           "X:\n",
       true);
}

TEST_CASE("server: AUTH needs EHLO, and is not within a transaction") {
  play(submission_settings(),
       "S: 220 mx.test ESMTP ready\n"
       "C: AUTH PLAIN AGFwcABzZWNyZXQ=\n"
       "S: 503 5.5.1 EHLO first\n"
       "C: HELO x\n"
       "S: 250 mx.test\n"
       "C: AUTH PLAIN AGFwcABzZWNyZXQ=\n"
       "S: 503 5.5.1 EHLO first\n",
       true);
}

TEST_CASE("server: AUTH is refused in the clear, and not offered there") {
  play(submission_settings(),
       "S: 220 mx.test ESMTP ready\n"
       "C: EHLO x\n"
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
       "S: 250 HELP\n"
       "C: AUTH PLAIN AGFwcABzZWNyZXQ=\n"
       "S: 538 5.7.11 Encryption required for authentication\n"
       "C: AUTH LOGIN\n"
       "S: 538 5.7.11 Encryption required for authentication\n"
       "C: MAIL FROM:<a@b.test>\n"
       "S: 530 5.7.0 STARTTLS and authentication required\n");
}

TEST_CASE("server: AUTH in the clear where TLS is not required; none where no authentication is") {
  ServerSettings settings = submission_settings();
  settings.require_tls = false;
  settings.offer_starttls = false;
  play(settings, hello + "C: AUTH PLAIN AGFwcABzZWNyZXQ=\nS: 235 2.7.0 Authentication successful\n" + quit);
  play(sink_settings(),
       "S: 220 mx.test ESMTP ready\n"
       "C: AUTH PLAIN AGFwcABzZWNyZXQ=\n"
       "S: 502 5.5.1 AUTH is not offered\n");
}

TEST_CASE("server: AUTH lines have their own length, and too long ones end the exchange") {
  ServerSettings settings = submission_settings();
  settings.limits.command_line_bytes = 64;
  settings.limits.auth_line_bytes = 200;
  const std::string fits(200 - 2 - 11, 'A');
  play(settings,
       hello + "C: AUTH PLAIN " + fits + "\nS: 501 5.5.2 Cannot decode that response\nC: AUTH PLAIN " + fits +
           "A\nS: 500 5.5.2 Line too long\nC: AUTH PLAIN\nS: 334 \nC: " + std::string(198, 'A') +
           "\nS: 501 5.5.2 Cannot decode that response\nC: AUTH PLAIN\nS: 334 \nC: " + std::string(300, 'A') +
           "\nS: 500 5.5.2 Line too long\nC: NOOP\nS: 250 2.0.0 Ok\n" + quit,
       true);
}

TEST_CASE("server: credentials reach the owner and nothing that is sent") {
  ScriptedServer server(submission_settings(), true);
  server.feed("EHLO x\r\nAUTH PLAIN AGFwcABzZWNyZXQ=\r\n");
  REQUIRE(server.authentications.size() == 1);
  CHECK(server.authentications[0] == "PLAIN app secret");
  CHECK(server.said.find("secret") == std::string::npos);
  CHECK(server.said.find("AGFwc") == std::string::npos);
}

TEST_CASE(
    "server: passwords that are not looked at count as failures, those of a key that may not send do not") {
  const std::string barred = "C: AUTH PLAIN AGJhcnJlZAB4\nS: 550 5.7.1 Not from there\n";
  const std::string locked = "C: AUTH PLAIN AGxvY2tlZAB4\nS: 454 4.7.0 Locked out\n";
  play(submission_settings(),
       hello + barred + locked + barred + barred + locked + barred + locked +
           "S: 421 4.7.0 mx.test Too many failed authentications, closing\n"
           "X:\n",
       true);
}
