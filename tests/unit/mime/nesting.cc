#include "mta/mime/nesting.h"

#include <doctest/doctest.h>

using namespace relay;
using namespace relay::mime;

namespace {

std::string boundary(std::size_t i) { return "b" + std::to_string(i); }

std::string nested(std::size_t levels, const std::string& type = "multipart/mixed; boundary=") {
  std::string text;
  for (std::size_t i = 0; i < levels; ++i) {
    text += "Content-Type: " + type + boundary(i) + "\r\n\r\n";
    if (type.starts_with("multipart")) text += "preamble\r\n--" + boundary(i) + "\r\n";
  }
  return text + "Content-Type: text/plain\r\n\r\nhello\r\n";
}

// The least number of levels it is not deeper than.
std::size_t depth(const std::string& content) {
  std::size_t levels = 0;
  while (nested_deeper(Body(content), levels)) ++levels;
  return levels;
}

}  // namespace

TEST_CASE("how deep parts lie in each other") {
  CHECK(depth("Subject: x\r\n\r\nmultipart/mixed; boundary=x\r\n") == 0);
  CHECK(depth("") == 0);
  for (const std::size_t levels : {1u, 2u, 10u, 100u}) {
    CHECK(depth(nested(levels)) == levels);
    CHECK(depth(nested(levels, "message/rfc822; x=")) == levels);
  }
  CHECK_FALSE(nested_deeper(Body(nested(100)), 100));
  CHECK(nested_deeper(Body(nested(101)), 100));
  CHECK(nested_deeper(Body(nested(20000)), 100));
}

TEST_CASE("parts beside each other are not in each other") {
  std::string text = "Content-Type: multipart/digest; boundary=\"a b\"\r\n\r\n";
  for (int i = 0; i < 500; ++i)
    text +=
        "--a b \t\r\nContent-Type: multipart/alternative;\r\n\tboundary=x\r\n\r\n--x\r\n\r\nhi\r\n--x--\r\n";
  CHECK(depth(text + "--a b--\r\n") == 2);
  // One that is not closed ends with what it lies in.
  std::string open = "Content-Type: multipart/mixed; boundary=a\r\n\r\n";
  for (int i = 0; i < 50; ++i) open += "--a\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n";
  CHECK(depth(open) == 2);
}

TEST_CASE("forms of Content-Type") {
  for (const char* type :
       {"Content-Type: multipart/mixed; boundary=x", "CONTENT-TYPE : Multipart/Mixed ; BOUNDARY = x",
        "Content-Type: multipart/mixed; charset=\"a;boundary=y\"; boundary=\"x\"",
        "Content-Type: multipart/mixed;\r\n boundary=x; a=b", "Content-Type: multipart/mixed; boundary*0=x",
        "Content-Type: multipart/mixed; boundary=\"\\x\""}) {
    CAPTURE(type);
    CHECK(depth(std::string(type) + "\r\n\r\n--x\r\nContent-Type: multipart/x; boundary=z\r\n\r\n--z\r\n") ==
          2);
  }
  // Without a boundary there are no parts.
  CHECK(
      depth("Content-Type: multipart/mixed\r\n\r\n--\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n") ==
      0);
}

TEST_CASE("however the content is cut") {
  const std::string given = nested(3) + "--b2--\r\n--b1--\r\n";
  for (std::size_t cut = 0; cut <= given.size(); ++cut) {
    Body body(given.substr(0, cut));
    body.append(given.substr(cut));
    CHECK(nested_deeper(body, 2));
    CHECK_FALSE(nested_deeper(body, 3));
  }
}
