#include "mta/base/ids.h"

#include <doctest/doctest.h>

#include <set>

using namespace relay;
using namespace std::chrono_literals;

TEST_CASE("message ids: text and back, for random ids") {
  SeededRng rng(1);
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    MessageId id = MessageId::make(WallTime(std::chrono::milliseconds(1'795'000'000'000 + i)), rng);
    std::string text = id.text();
    CHECK(text.size() == 30);
    CHECK(seen.insert(text).second);
    auto back = MessageId::parse(text);
    REQUIRE(back);
    CHECK(*back == id);
    CHECK(id.time() == WallTime(std::chrono::milliseconds(1'795'000'000'000 + i)));
  }
}

TEST_CASE("message ids: the extremes") {
  MessageId low, high;
  high.bytes.fill(0xff);
  CHECK(low.text() == "msg_00000000000000000000000000");
  CHECK(high.text() == "msg_7zzzzzzzzzzzzzzzzzzzzzzzzz");
  CHECK(MessageId::parse(high.text()) == high);
  CHECK(MessageId::parse(low.text()) == low);
}

TEST_CASE("message ids: text sorts as time does") {
  SeededRng rng(2);
  std::string before;
  for (int i = 0; i < 100; ++i) {
    std::string text = MessageId::make(WallTime(std::chrono::milliseconds(i * 1000)), rng).text();
    CHECK(before < text);
    before = text;
  }
}

TEST_CASE("message ids: what is none") {
  for (std::string_view text :
       {"", "msg_", "msg_0000000000000000000000000", "msg_000000000000000000000000000",
        "MSG_00000000000000000000000000", "msg_80000000000000000000000000", "msg_0000000000000000000000000u",
        "msg_0000000000000000000000000O", "key_00000000000000000000000000",
        "msg_0000000000000 000000000000"}) {
    CAPTURE(text);
    CHECK_FALSE(MessageId::parse(text));
  }
}

TEST_CASE("base32: known values") {
  CHECK(base32("") == "");
  CHECK(base32(std::string_view("\0", 1)) == "00");
  CHECK(base32("\xff") == "zw");
  CHECK(base32("\xff\xff\xff\xff\xff") == "zzzzzzzz");
  CHECK(base32("hello") == "d1jprv3f");
}
