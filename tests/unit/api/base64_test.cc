#include "relay-api/base64.h"

#include <doctest/doctest.h>

using relay::api::Base64Encoder;
using relay::api::decode_base64;
using relay::api::encode_base64;

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

TEST_CASE("base 64 is written in pieces of any length") {
  for (std::size_t size = 0; size < 20; ++size) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(i * 37 + 200);
    const std::string whole = encode_base64(bytes);
    CHECK(whole.size() == (size + 2) / 3 * 4);
    CHECK(decode_base64(whole) == bytes);
    for (std::size_t cut = 0; cut <= size; ++cut) {
      std::string out;
      Base64Encoder encoder(out);
      encoder.add(std::string_view(bytes).substr(0, cut));
      encoder.add(std::string_view(bytes).substr(cut));
      encoder.finish();
      CHECK(out == whole);
    }
  }
  CHECK(encode_base64("foobar") == "Zm9vYmFy");
  CHECK(encode_base64("fooba") == "Zm9vYmE=");
  CHECK(encode_base64("foob") == "Zm9vYg==");
}
