#include "mta/wire/xtext.h"

#include <doctest/doctest.h>

using namespace relay::wire;

TEST_CASE("xtext: every byte goes through and comes back") {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  const std::string text = encode_xtext(all);
  for (const char c : text) CHECK((c > ' ' && c <= '~' && c != '='));
  CHECK(decode_xtext(text) == all);
  CHECK(encode_xtext("a+b=c d") == "a+2Bb+3Dc+20d");
}

TEST_CASE("xtext: what it is not") {
  for (const char* text : {"a b", "a=b", "+", "+4", "+4g", "+2b", "a+2b", "\x7f", "\xc3\xa9", "a\r", "+ 1"}) {
    CAPTURE(text);
    CHECK_FALSE(decode_xtext(text));
  }
  CHECK(decode_xtext("") == "");
  CHECK(decode_xtext("+00+FF") == std::string("\0\xff", 2));
}
