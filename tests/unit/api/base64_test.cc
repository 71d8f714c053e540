#include "relay-api/base64.h"

#include <doctest/doctest.h>

using relay::api::decode_base64;

TEST_CASE("base 64 is decoded") {
  // RFC 4648 10.
  for (const auto& [text, bytes] : {std::pair<std::string_view, std::string>{"", ""},
                                    {"Zg==", "f"},
                                    {"Zm8=", "fo"},
                                    {"Zm9v", "foo"},
                                    {"Zm9vYg==", "foob"},
                                    {"Zm9vYmE=", "fooba"},
                                    {"Zm9vYmFy", "foobar"},
                                    {"Zm9v\r\nYmFy\r\n", "foobar"},
                                    {"Z\nm9v\nYg=\n=", "foob"},
                                    {"/+8A", std::string("\xff\xef\x00", 3)}}) {
    CAPTURE(text);
    CHECK(decode_base64(text) == bytes);
  }
}

TEST_CASE("what is not base 64 is refused") {
  for (const std::string_view text : {"Z", "Zg", "Zm8", "Zg=", "Zg===", "=",
                                      "====", "Zm9v=", "Zg==Zg==", "Zh==", "Zm9=", "Zm9v Yg==", "Zm-_",
                                      "data:text/plain;base64,Zm9v", "Zm9v\xc3\xa9", "Z=m=", "Zm9vY"}) {
    CAPTURE(text);
    CHECK(!decode_base64(text));
  }
}
