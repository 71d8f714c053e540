// Content by BDAT (RFC 3030): what a host can do to it, and that it is framed and whole.
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
        S: 250-chunking
        S: 250 PIPELINING
        = ready
        > start s@x a@x b@x
        C: MAIL FROM:<s@x>
        C: RCPT TO:<a@x>
        C: RCPT TO:<b@x>)";
constexpr std::string_view lock_step = R"(
        S: 220 mx
        C: EHLO me.example
        S: 250-mx
        S: 250 CHUNKING
        = ready
        > start s@x a@x
        C: MAIL FROM:<s@x>
        S: 250 ok
        C: RCPT TO:<a@x>)";

struct Case {
  std::string_view name;
  std::string_view hello;
  std::string_view script;
};

// The content is "Subject: x", an empty line, ".dots" and "..": 25 bytes; a block is as large, or 10.
const Case whole[] = {
    {"taken", pipelining, R"(
        S: 250 ok
        S: 250 ok
        S: 250 ok
        C: BDAT 25 LAST
        C: Subject: x
        C:
        C: .dots
        C: ..
        S: 250 taken
        * final_dot: 250 taken
        * final_dot: 250 taken
        = ready)"},
    {"one recipient of two", pipelining, R"(
        S: 250 ok
        S: 550 who
        S: 250 ok
        C: BDAT 25 LAST
        C: Subject: x
        C:
        C: .dots
        C: ..
        S: 250 taken
        * rcpt: 550 who
        * final_dot: 250 taken
        = ready)"},
    {"no recipient: no content", pipelining, R"(
        S: 250 ok
        S: 550 a
        S: 450 b
        C: RSET
        * rcpt: 550 a
        * rcpt: 450 b
        S: 250 ok
        = ready)"},
    {"MAIL refused: no content", pipelining, R"(
        S: 550 no
        S: 503 no
        S: 503 no
        * mail: 550 no
        * mail: 550 no
        = ready)"},
    {"lock-step", lock_step, R"(
        S: 250 ok
        C: BDAT 25 LAST
        C: Subject: x
        C:
        C: .dots
        C: ..
        S: 250 taken
        * final_dot: 250 taken
        = ready
        > start s@x a@x
        C: MAIL FROM:<s@x>)"},
    {"lock-step, no recipient", lock_step, R"(
        S: 550 who
        C: RSET
        * rcpt: 550 who
        S: 250 ok
        = ready)"},
    {"refused at the end", lock_step, R"(
        S: 250 ok
        C: BDAT 25 LAST
        C: Subject: x
        C:
        C: .dots
        C: ..
        S: 554 5.7.1 spam
        C: RSET
        * final_dot: 554 5.7.1 spam
        S: 250 ok
        = ready)"},
    {"closed at the end", lock_step, R"(
        S: 250 ok
        C: BDAT 25 LAST
        C: Subject: x
        C:
        C: .dots
        C: ..
        > closed
        * final_dot: end of file
        = closed)"},
    {"354 to BDAT", lock_step, R"(
        S: 250 ok
        C: BDAT 25 LAST
        C: Subject: x
        C:
        C: .dots
        C: ..
        S: 354 go
        * final_dot: reset, the host sent an unexpected reply 354 go
        = closed)"},
    {"421 at the end", lock_step, R"(
        S: 250 ok
        C: BDAT 25 LAST
        C: Subject: x
        C:
        C: .dots
        C: ..
        S: 421 bye
        * final_dot: 421 bye
        = closed)"},
};

}  // namespace

TEST_CASE("client dialog: content by BDAT, whole and cut at every byte") {
  for (const Case& c : whole) {
    Play how;
    how.settings.tls.level = TlsLevel::none;
    how.settings.chunking = Chunking::when_offered;
    how.body = std::make_shared<const Body>("Subject: x\r\n\r\n.dots\r\n..\r\n");
    expect(c.name, std::string(c.hello) + std::string(c.script), how);
  }
}

TEST_CASE("client dialog: BDAT that is not wanted, or not offered, is not used") {
  Play how;
  how.settings.tls.level = TlsLevel::none;
  expect("not wanted", std::string(pipelining) + "\n        C: DATA", how);
  how.settings.chunking = Chunking::when_offered;
  expect("not offered", R"(
        S: 220 mx
        C: EHLO me.example
        S: 250-mx
        S: 250 PIPELINING
        = ready
        > start s@x a@x
        C: MAIL FROM:<s@x>
        C: RCPT TO:<a@x>
        C: DATA)",
         how);
}

namespace {

const Instant start_time{std::chrono::seconds(1000)};

// One recipient, blocks of ten bytes.
struct Sending {
  explicit Sending(bool pipelined, std::string content) {
    Transaction t;
    t.reverse_path = "s@x";
    t.recipients = {{"a@x"}};
    t.body = std::make_shared<const Body>(std::move(content));
    t.before_end = [this](std::span<const std::size_t> whom) {
      CHECK(whom.size() == 1);
      ++told;
    };
    dialog.on_open({"192.0.2.1", 25}, nullptr, now);
    say("220 mx\r\n");
    say(pipelined ? "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n" : "250-mx\r\n250 CHUNKING\r\n");
    dialog.output().take();
    dialog.start(std::move(t), now);
    if (pipelined) {
      dialog.output().take();
      first = say("250 ok\r\n250 ok\r\n");
    } else {
      say("250 ok\r\n");
      first = say("250 ok\r\n");
    }
  }
  std::string say(std::string_view bytes) {
    dialog.on_bytes(bytes, now);
    return dialog.output().take_text();
  }
  std::string sent() {
    dialog.on_sent(now);
    return dialog.output().take_text();
  }
  Fact fact() {
    const auto result = dialog.take_result();
    REQUIRE(result);
    return result->recipients[0];
  }
  static ClientSettings settings() {
    ClientSettings s;
    s.tls.level = TlsLevel::none;
    s.chunking = Chunking::when_offered;
    s.content_block_bytes = 10;
    return s;
  }
  Instant now = start_time;
  ClientDialog dialog{settings(), now};
  std::string first;
  int told = 0;
};

const std::string content = "12345678\r\n12345678\r\n1234\r\n";

}  // namespace

TEST_CASE("client dialog: chunks follow each other as they leave, with PIPELINING") {
  Sending s(true, content);
  CHECK(s.first == "BDAT 10\r\n12345678\r\n");
  CHECK(s.sent() == "BDAT 10\r\n12345678\r\n");
  CHECK(s.told == 0);
  CHECK(s.sent() == "BDAT 6 LAST\r\n1234\r\n");
  CHECK(s.told == 1);
  CHECK(s.sent().empty());
  SUBCASE("taken") {
    CHECK(s.say("250 10\r\n250 20\r\n").empty());
    CHECK_FALSE(s.dialog.take_result());
    s.say("250 taken\r\n");
    CHECK(s.fact().stage == Stage::final_dot);
    CHECK(s.dialog.ready());
  }
  SUBCASE("a chunk before the last is refused: the message cannot have been taken") {
    s.say("250 10\r\n552 5.3.4 too large\r\n");
    const Fact fact = s.fact();
    CHECK(fact.stage == Stage::content);
    CHECK(std::get<Reply>(fact.answer).code == 552);
    CHECK(s.dialog.wants() == Want::close);
  }
  SUBCASE("lost with replies owed: in doubt") {
    s.say("250 10\r\n");
    s.dialog.on_closed({}, s.now);
    CHECK(s.fact().stage == Stage::final_dot);
  }
  SUBCASE("a reply too many") {
    s.say("250 10\r\n250 20\r\n250 taken\r\n250 what\r\n");
    CHECK(s.fact().stage == Stage::final_dot);
    CHECK(s.dialog.wants() == Want::close);
  }
}

TEST_CASE("client dialog: chunks wait for each other without PIPELINING") {
  Sending s(false, content);
  CHECK(s.first == "BDAT 10\r\n12345678\r\n");
  s.now += std::chrono::seconds(100);
  CHECK(s.sent().empty());
  CHECK(s.dialog.deadline() == s.now + ClientTimeouts().content);
  CHECK(s.say("250 10\r\n") == "BDAT 10\r\n12345678\r\n");
  CHECK(s.sent().empty());
  CHECK(s.told == 0);
  SUBCASE("taken") {
    CHECK(s.say("250 20\r\n") == "BDAT 6 LAST\r\n1234\r\n");
    CHECK(s.told == 1);
    CHECK(s.sent().empty());
    s.say("250 taken\r\n");
    CHECK(s.fact().stage == Stage::final_dot);
  }
  SUBCASE("the reply is there before the chunk is known to have left") {
    CHECK(s.say("250 20\r\n") == "BDAT 6 LAST\r\n1234\r\n");
    s.say("250 taken\r\n");
    CHECK(s.fact().stage == Stage::final_dot);
  }
  SUBCASE("refused in the middle") {
    s.say("452 4.3.1 full\r\n");
    CHECK(s.fact().stage == Stage::content);
    CHECK(s.dialog.wants() == Want::close);
    CHECK(s.told == 0);
  }
  SUBCASE("not answered") {
    s.dialog.on_timeout(s.dialog.deadline());
    CHECK(s.fact().stage == Stage::content);
    CHECK(s.told == 0);
  }
}

TEST_CASE("client dialog: the last chunk that has not left is not in doubt") {
  Sending s(true, "1234\r\n");
  CHECK(s.first == "BDAT 6 LAST\r\n1234\r\n");
  Sending other(true, content);
  other.dialog.on_sent(other.now);
  other.dialog.output().take();
  other.dialog.on_sent(other.now);
  REQUIRE(other.told == 1);
  other.dialog.on_closed({}, other.now);
  CHECK(other.fact().stage == Stage::content);
}

TEST_CASE("client dialog: no CR or LF goes out alone by BDAT, and each chunk is as long as it says") {
  const std::string parts[] = {"\r", "\n", "\r\n", "a", ".", "bc"};
  std::uint32_t seed = 1;
  for (int round = 0; round < 300; ++round) {
    std::string given;
    for (int i = 0; i < 60; ++i) given += parts[((seed = seed * 1664525 + 1013904223) >> 16) % 6];
    Sending s(true, given);
    std::string stream = s.first, got;
    for (std::string more = s.sent(); !more.empty(); more = s.sent()) stream += more;
    bool last = false;
    while (!stream.empty()) {
      REQUIRE_FALSE(last);
      const std::size_t end = stream.find("\r\n");
      REQUIRE(stream.starts_with("BDAT "));
      const std::string command = stream.substr(0, end);
      last = command.ends_with(" LAST");
      const std::size_t size = std::stoul(command.substr(5));
      REQUIRE(stream.size() >= end + 2 + size);
      got += stream.substr(end + 2, size);
      stream.erase(0, end + 2 + size);
    }
    CHECK(last);
    CHECK((got.empty() || got.ends_with("\r\n")));
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (got[i] == '\n') CHECK((i > 0 && got[i - 1] == '\r'));
      if (got[i] == '\r') CHECK((i + 1 < got.size() && got[i + 1] == '\n'));
    }
  }
}
