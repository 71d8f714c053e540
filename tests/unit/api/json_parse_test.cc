#include "relay-api/json_parse.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <string>

using relay::api::parse_json;
using relay::api::pointer_token;

TEST_CASE("JSON is parsed as the library parses it") {
  for (const std::string text :
       {R"({})", R"([])", R"("x")", R"(12)", R"(-1.5e3)", R"(true)", R"(null)",
        R"( { "a" : [ 1 , { "b" : "\u00e9\ud83d\ude00" } ] } )", R"({"a":{"k":1},"b":{"k":2}})",
        R"({"a":1,"A":2})", R"({"":0})", R"({"long key with \"escapes\" in it":"\n"})",
        R"(18446744073709551615)", R"([[],{},[[]]])"}) {
    CAPTURE(text);
    const auto value = parse_json(text);
    REQUIRE(value);
    CHECK(*value == boost::json::parse(text));
  }
}

TEST_CASE("JSON that is not JSON is refused with a reason") {
  struct Case {
    std::string text;
    std::string_view reason;
  };
  for (const auto& [text, reason] : {
           Case{"", "ends in the middle"},
           Case{"{", "ends in the middle"},
           Case{R"({"a":1}x)", "follows the value"},
           Case{R"({"a":1}{})", "follows the value"},
           Case{R"({"a":1,})", "syntax"},
           Case{R"([1,])", "syntax"},
           Case{R"({'a':1})", "syntax"},
           Case{R"(// hello)", "syntax"},
           Case{R"(NaN)", "syntax"},
           Case{R"({"a":1,"a":2})", "\"a\" is given twice"},
           Case{R"({"a":{"b":1,"c":2,"b":3}})", "\"b\" is given twice"},
           Case{R"({"a":1,"\u0061":2})", "\"a\" is given twice"},
           Case{R"({"":1,"":2})", "\"\" is given twice"},
           Case{"\"\xe9\"", "not valid UTF-8"},
           Case{"\"\xc0\x80\"", "not valid UTF-8"},
           Case{"\"\xed\xa0\x80\"", "not valid UTF-8"},
           Case{R"("\ud800")", "syntax"},
           Case{"\"a\nb\"", "syntax"},
           Case{R"("\x")", "syntax"},
           Case{R"("\u12g4")", "hexadecimal"},
           Case{std::string(17, '[') + std::string(17, ']'), "nested too deeply"},
       }) {
    CAPTURE(text);
    const auto value = parse_json(text);
    REQUIRE(!value);
    CHECK(value.error().code == relay::Errc::invalid);
    CAPTURE(value.error().message);
    CHECK(value.error().message.find(reason) != std::string::npos);
  }
  CHECK(parse_json(std::string(16, '[') + std::string(16, ']')));
}

TEST_CASE("an object cut at any byte is refused") {
  const std::string text =
      R"({"from":"a@b.c","to":["d@e.f",{"email":"g@h.i","name":"\u00e9"}],"n":1.5,"t":true,"x":null})";
  REQUIRE(parse_json(text));
  for (std::size_t i = 0; i < text.size(); ++i) {
    CAPTURE(i);
    CHECK(!parse_json(text.substr(0, i)));
  }
}

TEST_CASE("the place of an error is a line and a column") {
  const auto value = parse_json("{\n  \"a\": 1,\n  \"a\": 2\n}");
  REQUIRE(!value);
  CHECK(value.error().message.find("line 3") != std::string::npos);
}

TEST_CASE("reference tokens are escaped") {
  CHECK(pointer_token("plain") == "plain");
  CHECK(pointer_token("a/b~c") == "a~1b~0c");
}
