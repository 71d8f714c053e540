#include "spool/later.h"

#include "tests/unit/spool/support.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;

TEST_CASE("they come in the order of their times, each once") {
  Later later;
  CHECK_FALSE(later.take(at(1000)).has_value());
  for (const auto& [number, since] : {std::pair(1u, 50), {2u, 30}, {3u, 40}, {2u, 30}})
    later.add(id(number), at(since));
  CHECK_FALSE(later.take(at(30)).has_value());
  CHECK(later.take(at(31)) == id(2));
  CHECK_FALSE(later.take(at(31)).has_value());
  CHECK(later.take(at(100)) == id(3));
  CHECK(later.take(at(100)) == id(1));
  CHECK_FALSE(later.take(at(100)).has_value());
  CHECK_FALSE(later.look_from(at(100'000)).has_value());
}

TEST_CASE("a copy is one of its own") {
  Later later;
  later.add(id(1), at(5));
  Later copy = later;
  CHECK(copy.take(at(10)) == id(1));
  CHECK(later.take(at(10)) == id(1));
}

TEST_CASE(
    "what there is no room for is looked for when the first of it is old enough, from the least id on") {
  Later later(2);
  for (const auto& [number, since] : {std::pair(4u, 50), {2u, 60}, {3u, 40}, {5u, 30}})
    later.add(id(number), at(since));
  CHECK_FALSE(later.look_from(at(50)).has_value());
  CHECK(later.take(at(51)) == id(5));
  CHECK(later.take(at(51)) == id(3));
  CHECK_FALSE(later.take(at(51)).has_value());
  CHECK(later.look_from(at(51)) == id(2));
  CHECK_FALSE(later.look_from(at(1000)).has_value());
}

// Ids rise, and with them the times, as a plan of a bulk sender goes: each is later than all before.
TEST_CASE("many more than there is room for, in the order in which purge comes to them, and all twice") {
  constexpr std::uint32_t messages = 200'000;
  Later later;
  for (int round = 0; round < 2; ++round)
    for (std::uint32_t n = 0; n < messages; ++n) later.add(id(n), at(n));
  std::uint32_t taken = 0;
  while (const auto due = later.take(at(messages))) REQUIRE(*due == id(taken++));
  CHECK(taken >= Later::usual_most);
  CHECK_FALSE(later.look_from(at(taken)).has_value());
  CHECK(later.look_from(at(taken + 1)) == id(taken));
}

// As purge does it, over a table of many messages.
TEST_CASE("however many there are, each is come to in its time, for a bounded number of looks") {
  constexpr std::uint32_t messages = 2000, most = 100;
  Later later(most);
  std::vector<bool> there(messages, true);
  const auto since = [](std::uint32_t number) { return at(1 + (number * 7919) % messages); };
  std::uint64_t looks = 0;
  const auto go_through = [&](const MessageId& from, std::int64_t now) {
    for (std::uint32_t n = 0; n < messages; ++n) {
      if (!there[n] || id(n) < from) continue;
      ++looks;
      if (since(n) < at(now))
        there[n] = false;
      else
        later.add(id(n), since(n));
    }
  };
  go_through(id(0), 0);
  for (std::int64_t now = 1; now <= messages + 1; ++now) {
    while (const auto due = later.take(at(now)))
      for (std::uint32_t n = 0; n < messages; ++n)
        if (id(n) == *due) there[n] = false, ++looks;
    while (const auto from = later.look_from(at(now))) go_through(*from, now);
    std::uint32_t late = 0;
    for (std::uint32_t n = 0; n < messages; ++n) late += there[n] && since(n) < at(now) ? 1 : 0;
    REQUIRE(late == 0);
  }
  CHECK(looks < std::uint64_t{messages} * (messages / most + 3));
}
