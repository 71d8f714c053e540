#include "mta/mime/decode.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "mta/mime/utf8.h"
#include "mta/wire/address.h"

using namespace relay::mime;
using namespace std::string_literals;

TEST_CASE("header values as people read them") {
  struct Case {
    std::string raw, text;
  };
  const Case cases[] = {
      {"", ""},
      {" plain\t text ", "plain text"},
      {"folded\r\n  line", "folded line"},
      {"=?utf-8?q?Gr=C3=BC=C3=9Fe?=",
       "Gr\xc3\xbc\xc3\x9f"
       "e"},
      {"=?utf-8?b?w6Q=?=\r\n =?utf-8?b?w7Y=?= x", "\xc3\xa4\xc3\xb6 x"},
      {"=?ISO-8859-1?Q?r=E9sum=E9?=", "r\xc3\xa9sum\xc3\xa9"},
      {"=?iso-2022-jp?b?GyRCJDMbKEI=?=", "\xe3\x81\x93"},
      {"r\xe9sum\xe9", "r\xc3\xa9sum\xc3\xa9"},
      {"r\xc3\xa9sum\xc3\xa9", "r\xc3\xa9sum\xc3\xa9"},
      {"a\0b"s, "a b"},
      {"=?utf-8?q?a=0D=0ABcc:_x?=", "a Bcc: x"},
      {"=?not encoded", "=?not encoded"},
      {"J <j@x.example>", "J <j@x.example>"},
      {"=?utf-8?q?J=C3=BC?= <j@x.example>", "J\xc3\xbc <j@x.example>"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.raw);
    CHECK(decode_value(c.raw, 256) == c.text);
  }
}

TEST_CASE("whatever comes, the result is one bounded line of UTF-8") {
  const std::string hostile[] = {
      "=?utf-8?q?=ff=fe=00=1b[31m?=",
      "=?utf-8?b?"
      "???"
      "?=",
      "=?x-none?q?abc=ff?=",
      "=?utf-7?q?+AGEAYg-?=",
      "=?utf-16?b?AAAA?=",
      std::string(100'000, '\xff'),
      std::string(100'000, '='),
      "=?" + std::string(5000, '?'),
  };
  for (const auto& raw : hostile) {
    for (const std::size_t limit : {0u, 1u, 7u, 256u}) {
      const auto text = decode_value(raw, limit);
      CHECK(text.size() <= limit);
      CHECK(relay::wire::valid_utf8(text));
      CHECK(std::ranges::none_of(text, control));
    }
  }
}

TEST_CASE("cut between two characters") {
  const std::string text = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";
  const std::size_t ends[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
  for (std::size_t i = 0; i < std::size(ends); ++i) CHECK(cut_utf8(text, i).size() == ends[i]);
  CHECK(decode_value("=?utf-8?b?"
                     "w6TDpMOk"
                     "?=",
                     5) == "\xc3\xa4\xc3\xa4");
  // Encoded text far longer than the limit still fills it.
  std::string many;
  for (int i = 0; i < 400; ++i) many += " =?utf-8?q?=C3=A4?=";
  CHECK(decode_value(many, 256).size() == 256);
}
