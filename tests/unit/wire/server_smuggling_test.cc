// SMTP smuggling: content that another server takes for an end of a message and commands behind it. Each
// variant must be one message here, whatever stands around its dot, and nothing of it a command.
#include <doctest/doctest.h>

#include "tests/unit/wire/server_script.h"

using namespace relay::wire;

namespace {

void check_one_message(const std::string& marker, const std::string& becomes) {
  const std::string inner = "MAIL FROM:<evil@b.test>\nC: RCPT TO:<victim@d.test>\nC: DATA\nC: second\n";
  Outcome outcome = play(sink_settings(),
                         "S: 220 mx.test ESMTP ready\n"
                         "C: HELO x\n"
                         "S: 250 mx.test\n"
                         "C: MAIL FROM:<a@b.test>\n"
                         "C: RCPT TO:<c@d.test>\n"
                         "C: DATA\n"
                         "S: 250 2.1.0 Sender ok\n"
                         "S: 250 2.1.5 Recipient ok\n"
                         "S: 354 End data with <CR><LF>.<CR><LF>\n"
                         "C= first" +
                             marker + "\nC: " + inner +
                             "C: .\n"
                             "S: 250 2.0.0 Taken\n"
                             "C: QUIT\n"
                             "S: 221 2.0.0 mx.test closing connection\n"
                             "X:\n");
  REQUIRE(outcome.taken.size() == 1);
  CHECK(outcome.taken[0] == "from <a@b.test> to <c@d.test> smtp x by ''\nfirst" + becomes +
                                "MAIL FROM:<evil@b.test>\r\nRCPT TO:<victim@d.test>\r\nDATA\r\nsecond\r\n");
}

}  // namespace

TEST_CASE("server: smuggling: LF.LF") { check_one_message("\\n.\\n", "\r\n.\r\n"); }
TEST_CASE("server: smuggling: LF.CRLF") { check_one_message("\\n.\\r\\n", "\r\n.\r\n"); }
TEST_CASE("server: smuggling: CRLF.LF") { check_one_message("\\r\\n.\\n", "\r\n\r\n"); }
TEST_CASE("server: smuggling: CR.CR") { check_one_message("\\r.\\r", "\r\n.\r\n"); }
TEST_CASE("server: smuggling: CR.CRLF") { check_one_message("\\r.\\r\\n", "\r\n.\r\n"); }
TEST_CASE("server: smuggling: CR.LF") { check_one_message("\\r.\\n", "\r\n.\r\n"); }
TEST_CASE("server: smuggling: CRLF.CR") { check_one_message("\\r\\n.\\r", "\r\n\r\n"); }
TEST_CASE("server: smuggling: LF.CR") { check_one_message("\\n.\\r", "\r\n.\r\n"); }
TEST_CASE("server: smuggling: CRLF.CRCRLF") { check_one_message("\\r\\n.\\r\\r\\n", "\r\n\r\n\r\n"); }
TEST_CASE("server: smuggling: CRLFCR.CRLF") { check_one_message("\\r\\n\\r.\\r\\n", "\r\n\r\n.\r\n"); }
TEST_CASE("server: smuggling: CRLFLF.CRLF") { check_one_message("\\r\\n\\n.\\r\\n", "\r\n\r\n.\r\n"); }
TEST_CASE("server: smuggling: CRLF NUL.CRLF") {
  check_one_message("\\r\\n\\0.\\r\\n", std::string("\r\n\0.\r\n", 6));
}
TEST_CASE("server: smuggling: CRLF.NUL CRLF") {
  check_one_message("\\r\\n.\\0\\r\\n", std::string("\r\n\0\r\n", 5));
}

TEST_CASE("server: smuggling: a stray CR in a command hides no second command") {
  play(sink_settings(),
       "S: 220 mx.test ESMTP ready\n"
       "C: HELO x\n"
       "S: 250 mx.test\n"
       "C= MAIL FROM:<a@b.test>\\rRCPT TO:<c@d.test>\\r\\n\n"
       "S: 501 5.5.2 Syntax error after the path\n"
       "C= NOOP\\rMAIL FROM:<a@b.test>\\r\\n\n"
       "S: 500 5.5.2 Control character in a command\n"
       "C: RCPT TO:<c@d.test>\n"
       "S: 503 5.5.1 MAIL first\n");
}
