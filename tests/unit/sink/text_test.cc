#include "mta/sink/text.h"

#include <doctest/doctest.h>

#include <string>

using relay::Body;
using relay::sink::subject_of;

TEST_CASE("the subject is found in the header section, unfolded") {
  struct Row {
    const char* message;
    const char* subject;
  };
  const Row rows[] = {
      {"Subject: Hello\r\n\r\nbody\r\n", "Hello"},
      {"From: a@b\r\nsUBJECT:\tHello  \r\n\r\n", "Hello"},
      {"Subject: one\r\n two\r\n\tthree\r\nTo: x\r\n\r\n", "one two\tthree"},
      {"Subject:\r\n folded\r\n\r\n", "folded"},
      {"Subject: first\r\nSubject: second\r\n\r\n", "first"},
      {"Subject: =?utf-8?Q?caf=C3=A9?=\r\n\r\n", "=?utf-8?Q?caf=C3=A9?="},
      {"Subjects: no\r\n\r\nSubject: in the body\r\n", ""},
      {"X: y\r\n Subject: a continuation\r\n\r\n", ""},
      {"Subject: no end of line", "no end of line"},
      {"Subject:", ""},
      {"", ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.message);
    const std::string message = row.message;
    CHECK(subject_of(Body(message)) == row.subject);
    for (std::size_t cut = 0; cut <= message.size(); ++cut) {
      Body body(message.substr(0, cut));
      body.append(message.substr(cut));
      CHECK(subject_of(body) == row.subject);
    }
  }
}

TEST_CASE("text becomes well-formed UTF-8") {
  struct Row {
    std::string text, valid;
  };
  const std::string bad = "\xef\xbf\xbd";
  const Row rows[] = {
      {"", ""},
      {"plain", "plain"},
      {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x93\xa7", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x93\xa7"},
      {std::string("a\0b", 3), std::string("a\0b", 3)},
      {"\xff", bad},
      {"caf\xe9!", "caf" + bad + "!"},
      {"\xc3", bad},
      {"\xe2\x82", bad + bad},
      {"\xc0\x80", bad + bad},                      // overlong
      {"\xe0\x80\x80", bad + bad + bad},            // overlong
      {"\xed\xa0\x80", bad + bad + bad},            // a surrogate
      {"\xf4\x90\x80\x80", bad + bad + bad + bad},  // beyond U+10FFFF
      {"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"},
  };
  for (const auto& row : rows) CHECK(relay::sink::utf8(row.text) == row.valid);
}
