// What a host without PIPELINING can do to a transaction, at each stage.
#include <doctest/doctest.h>

#include "tests/unit/wire/client_script.h"

using namespace relay;
using namespace relay::wire;
using namespace relay::wire::test;

namespace {

constexpr std::string_view lock_step = R"(
        S: 220 mx
        C: EHLO me.example
        S: 250-mx
        S: 250 8BITMIME
        = ready)";

struct Case {
  std::string_view name;
  std::string_view hello;
  std::string_view script;
};

const Case cases[] = {
    {"delivered", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 250 ok
        C: DATA
        S: 354 go
        C: Subject: x
        C:
        C: hello
        C: .
        S: 250 2.0.0 queued as 1
        * final_dot: 250 2.0.0 queued as 1
        = ready)"},
    {"delivered, then another", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 250 ok
        C: DATA
        S: 354 go
        C: Subject: x
        C:
        C: hello
        C: .
        S: 250 one
        * final_dot: 250 one
        = ready
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 250 ok
        C: DATA
        S: 354 go
        C: Subject: x
        C:
        C: hello
        C: .
        S: 250 two
        * final_dot: 250 two
        = ready
        > quit
        C: QUIT
        = quitting
        S: 221 bye
        = closed)"},
    {"null reverse-path", lock_step, R"(
        > start <> a@x
        C: MAIL FROM:<>
        S: 250 ok
        C: RCPT TO:<a@x>)"},
    {"8-bit content is declared", lock_step, R"(
        > start s@x a@x 8bit
        C: MAIL FROM:<s@x> BODY=8BITMIME)"},
    {"SMTPUTF8 is missing", lock_step, R"(
        > start s@x é@x utf8
        * mail: lacks SMTPUTF8)"},
    {"an address that would be a command", lock_step, R"(
        > start s@x a@x^JNOOP b@x
        C: MAIL FROM:<s@x>
        S: 250 ok
        C: RCPT TO:<b@x>
        S: 550 no
        C: RSET
        * rcpt: 553 5.1.3 not sent: the address has a control character
        * rcpt: 550 no
        S: 250 ok
        = ready)"},
    {"a reverse-path that would be a command", lock_step, R"(
        > start s@x^J a@x
        * mail: 553 5.1.7 not sent: the address has a control character)"},
    {"MAIL 5xx", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 550 5.7.1 no
        * mail: 550 5.7.1 no
        = ready
        > start s@x a@x
        C: MAIL FROM:<s@x>)"},
    {"MAIL 4xx", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 451 4.3.0 later
        * mail: 451 4.3.0 later
        = ready
        > start s@x a@x
        C: MAIL FROM:<s@x>)"},
    {"MAIL 421", lock_step, R"(
        > start s@x a@x b@x
        C: MAIL FROM:<s@x>
        S: 421 bye
        * mail: 421 bye
        * mail: 421 bye
        = closed)"},
    {"MAIL answered by what is no reply", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: ok
        * mail: reset, the host sent what is no SMTP reply: "ok"
        = closed)"},
    {"MAIL 354", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 354 go
        * mail: reset, the host sent an unexpected reply 354 go
        = closed)"},
    {"closed at MAIL", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        > closed
        * mail: end of file
        = closed)"},
    {"time-out at MAIL", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        > timeout
        * mail: timed out
        = closed)"},
    {"the only RCPT 5xx", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 550 5.1.1 who
        C: RSET
        * rcpt: 550 5.1.1 who
        S: 250 ok
        = ready)"},
    {"RSET refused", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 450 later
        C: RSET
        * rcpt: 450 later
        S: 500 what
        C: QUIT
        = closed)"},
    {"RSET unanswered", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 450 later
        C: RSET
        * rcpt: 450 later
        > timeout
        = closed)"},
    {"RSET 421", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 450 later
        C: RSET
        * rcpt: 450 later
        S: 421 bye
        = closed)"},
    {"quit during RSET", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 450 later
        C: RSET
        * rcpt: 450 later
        > quit
        = closed)"},
    {"one RCPT of two refused", lock_step, R"(
        > start s@x a@x b@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 550 5.1.1 who
        C: RCPT TO:<b@x>
        S: 250 ok
        C: DATA
        S: 354 go
        C: Subject: x
        C:
        C: hello
        C: .
        S: 250 taken
        * rcpt: 550 5.1.1 who
        * final_dot: 250 taken
        = ready)"},
    {"251 to RCPT", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 251 will forward
        C: DATA)"},
    {"421 to the second RCPT", lock_step, R"(
        > start s@x a@x b@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 250 ok
        C: RCPT TO:<b@x>
        S: 421 bye
        * rcpt: 421 bye
        * rcpt: 421 bye
        = closed)"},
    {"421 after a refused RCPT", lock_step, R"(
        > start s@x a@x b@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 550 who
        C: RCPT TO:<b@x>
        S: 421 bye
        * rcpt: 550 who
        * rcpt: 421 bye
        = closed)"},
    {"closed at RCPT", lock_step, R"(
        > start s@x a@x b@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 550 who
        C: RCPT TO:<b@x>
        > closed
        * rcpt: 550 who
        * rcpt: end of file
        = closed)"},
    {"time-out at RCPT", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        > timeout
        * rcpt: timed out
        = closed)"},
    {"DATA 554", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 250 ok
        C: DATA
        S: 554 5.6.0 no
        C: RSET
        * data: 554 5.6.0 no
        S: 250 ok
        = ready)"},
    {"DATA 451", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 250 ok
        C: DATA
        S: 451 later
        C: RSET
        * data: 451 later
        S: 250 ok
        = ready)"},
    {"DATA 421", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 250 ok
        C: DATA
        S: 421 bye
        * data: 421 bye
        = closed)"},
    {"DATA 250", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 250 ok
        C: DATA
        S: 250 ok
        * data: reset, the host sent an unexpected reply 250 ok
        = closed)"},
    {"closed at DATA", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 250 ok
        C: DATA
        > closed
        * data: end of file
        = closed)"},
    {"time-out at DATA", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 250 ok
        C: DATA
        > timeout
        * data: timed out
        = closed)"},
    {"end of data 554", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 250 ok
        C: DATA
        S: 354 go
        C: Subject: x
        C:
        C: hello
        C: .
        S: 554 5.7.1 spam
        * final_dot: 554 5.7.1 spam
        = ready)"},
    {"end of data 451", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 250 ok
        C: DATA
        S: 354 go
        C: Subject: x
        C:
        C: hello
        C: .
        S: 451 4.7.1 greylisted
        * final_dot: 451 4.7.1 greylisted
        = ready)"},
    {"end of data 421", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 250 ok
        C: DATA
        S: 354 go
        C: Subject: x
        C:
        C: hello
        C: .
        S: 421 bye
        * final_dot: 421 bye
        = closed)"},
    {"end of data 354", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 250 ok
        C: DATA
        S: 354 go
        C: Subject: x
        C:
        C: hello
        C: .
        S: 354 again
        * final_dot: reset, the host sent an unexpected reply 354 again
        = closed)"},
    {"closed after the final dot", lock_step, R"(
        > start s@x a@x b@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 550 who
        C: RCPT TO:<b@x>
        S: 250 ok
        C: DATA
        S: 354 go
        C: Subject: x
        C:
        C: hello
        C: .
        > closed
        * rcpt: 550 who
        * final_dot: end of file
        = closed)"},
    {"time-out after the final dot", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 250 ok
        C: DATA
        S: 354 go
        C: Subject: x
        C:
        C: hello
        C: .
        > timeout
        * final_dot: timed out
        = closed)"},
    {"half a reply after the final dot", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 250 ok
        C: DATA
        S: 354 go
        C: Subject: x
        C:
        C: hello
        C: .
        S_ 250 o
        > closed
        * final_dot: end of file
        = closed)"},
    {"accepted, and closed at once", lock_step, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 2.1.0 ok
        C: RCPT TO:<a@x>
        S: 250 ok
        C: DATA
        S: 354 go
        C: Subject: x
        C:
        C: hello
        C: .
        S: 250 ok
        S: 421 bye
        * final_dot: 250 ok
        = closed)"},
};

}  // namespace

TEST_CASE("client dialog: transactions in lock-step, whole and cut at every byte") {
  for (const Case& c : cases) {
    Play how;
    how.settings.tls.level = TlsLevel::none;
    expect(c.name, std::string(c.hello) + std::string(c.script), how);
  }
}
