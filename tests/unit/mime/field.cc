// Fields: what is written reads back, by GMime, as what was given, in lines no longer than they may be.
#include "mta/mime/field.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "mta/base/rng.h"
#include "mta/mime/decode.h"

using namespace relay::mime;
using namespace std::string_literals;

namespace {

std::string value_of(const std::string& field) { return field.substr(field.find(':') + 1); }

bool all_ascii(const std::string& field) {
  return std::ranges::all_of(field, [](char c) { return static_cast<unsigned char>(c) < 128; });
}

// RFC 5322 2.2.3: no line is blank, every line but the first begins with a blank.
bool well_folded(const std::string& field) {
  if (!field.ends_with("\r\n")) return false;
  for (std::size_t at = 0; at < field.size();) {
    const auto end = field.find("\r\n", at);
    const auto line = field.substr(at, end - at);
    if (line.find_first_not_of(" \t") == std::string::npos) return false;
    if (at > 0 && line[0] != ' ' && line[0] != '\t') return false;
    if (line.find_first_of("\r\n") != std::string::npos) return false;
    at = end + 2;
  }
  return true;
}

}  // namespace

TEST_CASE("text as written") {
  CHECK(text_field("Subject", "Hello there") == "Subject: Hello there\r\n");
  CHECK(text_field("Subject", "") == "Subject:\r\n");
  CHECK(text_field("Subject",
                   "Gr\xc3\xbc\xc3\x9f"
                   "e an alle") == "Subject: =?UTF-8?B?R3LDvMOfZQ==?= an alle\r\n");
  CHECK(text_field("Subject", "\xe4\xbd\xa0\xe5\xa5\xbd \xe4\xbd\xa0") ==
        "Subject: =?UTF-8?B?5L2g5aW9IOS9oA==?=\r\n");
  CHECK(text_field("S", std::string(60, 'a') + " " + std::string(60, 'b')) ==
        "S: " + std::string(60, 'a') + "\r\n " + std::string(60, 'b') + "\r\n");
}

TEST_CASE("texts come back as they went in") {
  std::vector<std::string> texts{"=?utf-8?q?not_encoded?= by us",
                                 "a=?b",
                                 std::string(5000, 'x'),
                                 std::string(300, 'y') + " z",
                                 "\xf0\x9f\x98\x80 \xf0\x9f\x98\x80",
                                 "a \xc3\xa4 b \xc3\xb6 c",
                                 "tail \xc3\xa4"};
  std::string many;
  for (int i = 0; i < 300; ++i) many += i % 7 ? "\xf0\x9f\x98\x80" : "word \xc3\xa4 ";
  texts.push_back(many + "end");
  relay::SeededRng rng(7);
  for (int i = 0; i < 500; ++i) {
    std::string text = "s";
    const std::string pieces[] = {"a",    " ", "\xc3\xa4", "=?", "?=", "\xe2\x82\xac",
                                  "word", "_", "=",        "\"", ","};
    for (std::uint64_t n = rng.below(120); n > 0; --n) text += pieces[rng.below(std::size(pieces))];
    texts.push_back(text + "e");
  }
  for (const auto& text : texts) {
    CAPTURE(text);
    const auto field = text_field("Subject", text);
    CHECK(well_folded(field));
    CHECK(all_ascii(field));
    CHECK(longest_line(field) <= 220);
    std::string one_blank;  // as decode_value shows it
    for (const char c : text)
      if (c != ' ' || one_blank.back() != ' ') one_blank += c;
    CHECK(decode_value(value_of(field), 100'000) == one_blank);
  }
}

TEST_CASE("lines with encoded-words are at most 76 bytes") {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "\xc3\xa4\xe2\x82\xac";
  CHECK(longest_line(text_field("Subject", text)) <= 76);
  CHECK(longest_line(mailbox_field("From", std::vector<Mailbox>{{text, "a@b.example"}})) <= 76);
}

TEST_CASE("formed values keep their ASCII words whole") {
  const std::string url = "<https://example.com/u/" + std::string(300, 'b') + ">";
  CHECK(formed_field("List-Unsubscribe", url + ", <mailto:x@example.com>") ==
        "List-Unsubscribe: " + url + ",\r\n <mailto:x@example.com>\r\n");
  CHECK(formed_field("X", "=?utf-8?q?a?= b") == "X: =?utf-8?q?a?= b\r\n");
  CHECK(formed_field("X", "  a \t b ") == "X: a \t b\r\n");
  CHECK(formed_field("X", " ") == "X:\r\n");
  CHECK(formed_field("X", "a \xc3\xa4") == "X: a =?UTF-8?B?w6Q=?=\r\n");
}

TEST_CASE("mailboxes as written") {
  struct Case {
    std::string name, field;
  };
  const Case cases[] = {
      {"", "To: a@b.example\r\n"},
      {"Ann Bee", "To: Ann Bee <a@b.example>\r\n"},
      {"Bee, Ann", "To: \"Bee, Ann\" <a@b.example>\r\n"},
      {"John Q. Public", "To: \"John Q. Public\" <a@b.example>\r\n"},
      {"a \"b\" \\c", "To: \"a \\\"b\\\" \\\\c\" <a@b.example>\r\n"},
      {"x@y.example", "To: \"x@y.example\" <a@b.example>\r\n"},
      {"=?utf-8?q?x?=", "To: =?UTF-8?B?PT91dGYtOD9xP3g/PQ==?= <a@b.example>\r\n"},
      {"J\xc3\xbcrgen \"X\"", "To: =?UTF-8?B?SsO8cmdlbiAiWCI=?= <a@b.example>\r\n"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    const auto field = mailbox_field("To", std::vector<Mailbox>{{c.name, "a@b.example"}});
    CHECK(field == c.field);
    const auto back = parse_mailbox(value_of(field).substr(1, value_of(field).size() - 3));
    REQUIRE(back.has_value());
    CHECK(back->name == c.name);
    CHECK(back->address == "a@b.example");
  }
}

TEST_CASE("a thousand mailboxes are folded between them") {
  std::vector<Mailbox> many(1000, Mailbox{"Ann, Bee", "a@b.example"});
  const auto field = mailbox_field("To", many);
  CHECK(well_folded(field));
  CHECK(longest_line(field) <= 78);
  CHECK(std::ranges::count(field, '@') == 1000);
}
