#include "mta/wire/reply_parser.h"

#include <doctest/doctest.h>

#include <vector>

using namespace relay::wire;
using Status = ReplyParser::Status;

namespace {

// Everything a stream gives: its replies, and what broke it.
struct Parsed {
  std::vector<Reply> replies;
  std::string error;
  bool idle = true;
  friend bool operator==(const Parsed&, const Parsed&) = default;
};

void feed(ReplyParser& parser, std::string_view bytes, Parsed& into) {
  while (true) {
    switch (parser.feed(bytes)) {
      case Status::more: return;
      case Status::reply: into.replies.push_back(parser.take()); break;
      case Status::error: into.error = parser.error(); return;
    }
  }
}

Parsed parse(std::string_view stream, std::size_t cut, bool every_byte = false) {
  ReplyParser parser(200, 5);
  Parsed parsed;
  if (every_byte) {
    for (std::size_t i = 0; i < stream.size(); ++i) feed(parser, stream.substr(i, 1), parsed);
  } else {
    feed(parser, stream.substr(0, cut), parsed);
    feed(parser, stream.substr(cut), parsed);
  }
  parsed.idle = parser.idle();
  return parsed;
}

// Whole, byte by byte, and cut at every byte.
Parsed parse_every_way(std::string_view stream) {
  const Parsed whole = parse(stream, 0);
  CHECK(parse(stream, 0, true) == whole);
  for (std::size_t cut = 1; cut < stream.size(); ++cut) CHECK(parse(stream, cut) == whole);
  return whole;
}

}  // namespace

TEST_CASE("reply parser: valid replies") {
  const struct {
    std::string_view stream;
    std::vector<Reply> replies;
  } cases[] = {
      {"250 ok\r\n", {{250, "", {"ok"}}}},
      {"250 ok\n", {{250, "", {"ok"}}}},
      {"250\r\n", {{250, "", {""}}}},
      {"250 \r\n", {{250, "", {""}}}},
      {"250-\r\n250\r\n", {{250, "", {"", ""}}}},
      {"250-mx\r\n250-PIPELINING\n250 SIZE 10\r\n", {{250, "", {"mx", "PIPELINING", "SIZE 10"}}}},
      {"220 a\r\n354 b\r\n", {{220, "", {"a"}}, {354, "", {"b"}}}},
      {"550 5.1.1 no such user\r\n", {{550, "5.1.1", {"no such user"}}}},
      {"550 5.1.1\r\n", {{550, "5.1.1", {""}}}},
      {"550 5.123.999 x\r\n", {{550, "5.123.999", {"x"}}}},
      {"550-5.7.1 one\r\n550 5.7.1 two\r\n", {{550, "5.7.1", {"one", "two"}}}},
      {"550-5.7.1 one\r\n550-5.7.2 two\r\n550 three\r\n", {{550, "5.7.1", {"one", "5.7.2 two", "three"}}}},
      {"550-one\r\n550 5.7.1 two\r\n", {{550, "", {"one", "5.7.1 two"}}}},
      // Not an enhanced code: another class, not well formed, part of a word.
      {"550 4.1.1 x\r\n", {{550, "", {"4.1.1 x"}}}},
      {"550 5.1 x\r\n", {{550, "", {"5.1 x"}}}},
      {"550 5.1.1x\r\n", {{550, "", {"5.1.1x"}}}},
      {"550 5.1.1.1 x\r\n", {{550, "", {"5.1.1.1 x"}}}},
      {"550 5.1.1234 x\r\n", {{550, "", {"5.1.1234 x"}}}},
      {"550 5..1 x\r\n", {{550, "", {"5..1 x"}}}},
      {"354 3.0.0 x\r\n", {{354, "", {"3.0.0 x"}}}},
      // Text fit to be shown.
      {"250 a\tb\r\n", {{250, "", {"a\tb"}}}},
      {"250 a\x01\x7f\rb\r\n", {{250, "", {"a???b"}}}},
      {std::string_view("250 a\0b\r\n", 9), {{250, "", {"a?b"}}}},
      {"250 caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\r\n",
       {{250, "", {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"}}}},
      {"250 caf\xe9 \xc0\xaf \xed\xa0\x80 \xe2\x82\r\n", {{250, "", {"caf? ?? ??? ??"}}}},
  };
  for (const auto& c : cases) {
    CAPTURE(c.stream);
    const Parsed parsed = parse_every_way(c.stream);
    CHECK(parsed.replies == c.replies);
    CHECK(parsed.error.empty());
    CHECK(parsed.idle);
  }
}

TEST_CASE("reply parser: an unfinished reply is held, and taken back by reset") {
  ReplyParser parser(200, 5);
  for (const std::string_view begun : {"2", "250", "250-a\r\n", "250-a\r\n250 b\r"}) {
    std::string_view bytes = begun;
    CHECK(parser.feed(bytes) == Status::more);
    CHECK_FALSE(parser.idle());
    parser.reset();
    CHECK(parser.idle());
  }
  std::string_view next = "220 x\r\nrest";
  CHECK(parser.feed(next) == Status::reply);
  CHECK(next == "rest");
  CHECK(parser.take() == Reply{220, "", {"x"}});
}

TEST_CASE("reply parser: what is no reply") {
  const std::string long_line(300, 'x');
  const struct {
    std::string stream;
    std::size_t replies;
    std::string_view error;
  } cases[] = {
      {"\r\n", 0, "what is no SMTP reply: \"\""},
      {"25\r\n", 0, "what is no SMTP reply: \"25\""},
      {"2500\r\n", 0, "what is no SMTP reply: \"2500\""},
      {"250x\r\n", 0, "what is no SMTP reply: \"250x\""},
      {" 250 ok\r\n", 0, "what is no SMTP reply: \" 250 ok\""},
      {"150 ok\r\n", 0, "what is no SMTP reply: \"150 ok\""},
      {"650 ok\r\n", 0, "what is no SMTP reply: \"650 ok\""},
      {"250 ok\r\nfoo\r\n", 1, "what is no SMTP reply: \"foo\""},
      {"250-a\r\nfoo\r\n", 0, "what is no SMTP reply: \"foo\""},
      {"250-a\r\n251 b\r\n", 0, "a reply whose lines have different codes, 250 and 251"},
      {"250-" + long_line, 0, "a reply of more than 200 bytes"},
      {"250 " + long_line + "\r\n", 0, "a reply of more than 200 bytes"},
      {"250-a\r\n250-" + long_line + "\r\n", 0, "a reply of more than 200 bytes"},
      {"250-1\n250-2\n250-3\n250-4\n250-5\n250 6\n", 0, "a reply of more than 5 lines"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.stream);
    const Parsed parsed = parse_every_way(c.stream);
    CHECK(parsed.replies.size() == c.replies);
    CHECK(parsed.error == c.error);
  }
}

TEST_CASE("reply parser: the bounds are of each reply, and reached exactly") {
  std::string exact = "250 " + std::string(194, 'x') + "\r\n";  // 200 bytes
  const Parsed parsed = parse_every_way(exact + exact);
  CHECK(parsed.replies.size() == 2);
  CHECK(parse_every_way("250-1\n250-2\n250-3\n250-4\n250 5\n").replies.size() == 1);
}

TEST_CASE("reply parser: after an error nothing is read until reset") {
  ReplyParser parser(200, 5);
  std::string_view bytes = "what\r\n250 ok\r\n";
  CHECK(parser.feed(bytes) == Status::error);
  CHECK(parser.feed(bytes) == Status::error);
  parser.reset();
  CHECK(parser.feed(bytes) == Status::reply);
}

TEST_CASE("enhanced codes") {
  CHECK(enhanced_code_length("2.0.0 ok") == 5);
  CHECK(enhanced_code_length("5.111.222") == 9);
  for (const std::string_view bad :
       {"", "5", "5.", "5.1", "5.1.", "3.1.1", "5.1.1-", "5.1111.1", "x.1.1", "5,1,1"})
    CHECK(enhanced_code_length(bad) == 0);
}
