#include "relay-api/utf8.h"

#include <doctest/doctest.h>

using relay::api::valid_utf8;

TEST_CASE("bytes that are not UTF-8 are replaced, the rest stays") {
  const std::string r = "\xef\xbf\xbd";
  for (const auto& [text, shown] : {std::pair<std::string, std::string>{"", ""},
                                    {"plain", "plain"},
                                    {"Grüße 日本 😀", "Grüße 日本 😀"},
                                    {r, r},
                                    {"a\xe9z", "a" + r + "z"},
                                    {"\xc0\x80", r + r},
                                    {"\xe0\x80\x80", r + r + r},
                                    {"\xed\xa0\x80", r + r + r},
                                    {"\xf4\x90\x80\x80", r + r + r + r},
                                    {"\xf0\x9f\x98", r + r + r},
                                    {"\xff", r}}) {
    CAPTURE(text);
    CHECK(valid_utf8(text) == shown);
  }
}
