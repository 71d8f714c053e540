// What a host with PIPELINING (RFC 2920) can do to a transaction.
#include <doctest/doctest.h>

#include "tests/unit/wire/client_script.h"

using namespace relay;
using namespace relay::wire;
using namespace relay::wire::test;

namespace {

constexpr std::string_view pipelining = R"(
        S: 220 mx
        C: EHLO me.example
        S: 250-mx
        S: 250 PIPELINING
        = ready)";

struct Case {
  std::string_view name;
  std::string_view hello;
  std::string_view script;
};

const Case cases[] = {
    {"pipelined, answered at once", pipelining, R"(
        > start s@x a@x b@x
        C: MAIL FROM:<s@x>
        C: RCPT TO:<a@x>
        C: RCPT TO:<b@x>
        C: DATA
        S: 250 ok
        S: 250-a
        S: 250 ok
        S: 250 ok
        S: 354 go
        C: Subject: x
        C:
        C: hello
        C: .
        S: 250 taken
        * final_dot: 250 taken
        * final_dot: 250 taken
        = ready
        > start s@x a@x
        C: MAIL FROM:<s@x>
        C: RCPT TO:<a@x>
        C: DATA)"},
    {"pipelined, one refused", pipelining, R"(
        > start s@x a@x b@x
        C: MAIL FROM:<s@x>
        C: RCPT TO:<a@x>
        C: RCPT TO:<b@x>
        C: DATA
        S: 250 ok
        S: 550 who
        S: 250 ok
        S: 354 go
        C: Subject: x
        C:
        C: hello
        C: .
        S: 250 taken
        * rcpt: 550 who
        * final_dot: 250 taken
        = ready)"},
    {"pipelined, MAIL refused", pipelining, R"(
        > start s@x a@x b@x
        C: MAIL FROM:<s@x>
        C: RCPT TO:<a@x>
        C: RCPT TO:<b@x>
        C: DATA
        S: 550 no
        S: 503 MAIL first
        S: 503 MAIL first
        S: 503 RCPT first
        * mail: 550 no
        * mail: 550 no
        = ready)"},
    {"pipelined, MAIL refused and the rest accepted", pipelining, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        C: RCPT TO:<a@x>
        C: DATA
        S: 550 no
        S: 250 ok
        S: 354 go
        C: .
        S: 250 taken
        * mail: 550 no
        = ready)"},
    {"pipelined, MAIL refused, RCPT accepted, DATA refused", pipelining, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        C: RCPT TO:<a@x>
        C: DATA
        S: 550 no
        S: 250 ok
        S: 503 no
        C: RSET
        * mail: 550 no
        S: 250 ok
        = ready)"},
    {"pipelined, all refused", pipelining, R"(
        > start s@x a@x b@x
        C: MAIL FROM:<s@x>
        C: RCPT TO:<a@x>
        C: RCPT TO:<b@x>
        C: DATA
        S: 250 ok
        S: 550 a
        S: 450 b
        S: 554 no valid recipients
        C: RSET
        * rcpt: 550 a
        * rcpt: 450 b
        S: 250 ok
        = ready)"},
    {"pipelined, all refused, DATA 354", pipelining, R"(
        > start s@x a@x b@x
        C: MAIL FROM:<s@x>
        C: RCPT TO:<a@x>
        C: RCPT TO:<b@x>
        C: DATA
        S: 250 ok
        S: 550 a
        S: 450 b
        S: 354 go
        C: .
        S: 554 no valid recipients
        * rcpt: 550 a
        * rcpt: 450 b
        = ready)"},
    {"pipelined, all refused, DATA 354, closed", pipelining, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        C: RCPT TO:<a@x>
        C: DATA
        S: 250 ok
        S: 550 a
        S: 354 go
        C: .
        > closed
        * rcpt: 550 a
        = closed)"},
    {"pipelined, DATA refused", pipelining, R"(
        > start s@x a@x b@x
        C: MAIL FROM:<s@x>
        C: RCPT TO:<a@x>
        C: RCPT TO:<b@x>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 550 b
        S: 451 later
        C: RSET
        * data: 451 later
        * rcpt: 550 b
        S: 250 ok
        = ready)"},
    {"pipelined, 421 in the midst", pipelining, R"(
        > start s@x a@x b@x
        C: MAIL FROM:<s@x>
        C: RCPT TO:<a@x>
        C: RCPT TO:<b@x>
        C: DATA
        S: 250 ok
        S: 550 a
        S: 421 bye
        * rcpt: 550 a
        * rcpt: 421 bye
        = closed)"},
    {"pipelined, closed after MAIL", pipelining, R"(
        > start s@x a@x b@x
        C: MAIL FROM:<s@x>
        C: RCPT TO:<a@x>
        C: RCPT TO:<b@x>
        C: DATA
        S: 250 ok
        > closed
        * rcpt: end of file
        * rcpt: end of file
        = closed)"},
    {"pipelined, closed before DATA is answered", pipelining, R"(
        > start s@x a@x b@x
        C: MAIL FROM:<s@x>
        C: RCPT TO:<a@x>
        C: RCPT TO:<b@x>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 250 ok
        > reset
        * data: reset, broken pipe
        * data: reset, broken pipe
        = closed)"},
    {"pipelined, time-out", pipelining, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        C: RCPT TO:<a@x>
        C: DATA
        S: 250 ok
        > timeout
        * rcpt: timed out
        = closed)"},
    {"pipelined, garbage", pipelining, R"(
        > start s@x a@x
        C: MAIL FROM:<s@x>
        C: RCPT TO:<a@x>
        C: DATA
        S: 250 ok
        S: 2xx
        * rcpt: reset, the host sent what is no SMTP reply: "2xx"
        = closed)"},
};

}  // namespace

TEST_CASE("client dialog: pipelined transactions, whole and cut at every byte") {
  for (const Case& c : cases) {
    Play how;
    how.settings.tls.level = TlsLevel::none;
    expect(c.name, std::string(c.hello) + std::string(c.script), how);
  }
}
