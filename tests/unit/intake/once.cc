#include "mta/intake/once.h"

#include <doctest/doctest.h>

#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "tests/unit/support/test_loop.h"

using namespace relay;
using namespace relay::intake;

namespace {

Accepted of(std::uint8_t number) {
  MessageId id;
  id.bytes[15] = number;
  return {id, {}};
}

struct Waiting {
  test::TestLoop mine, theirs;  // outlive the turns that wait in them
  Once once;
  int told = 0;
  std::optional<Accepted> with;
  std::vector<Once::Turn> passed;

  Once::Ended ended() {
    return [this](std::variant<Accepted, Once::Turn> end) {
      ++told;
      if (auto* turn = std::get_if<Once::Turn>(&end))
        passed.push_back(std::move(*turn));
      else
        with = std::get<Accepted>(end);
    };
  }
  std::optional<Once::Turn> begin(const char* key, test::TestLoop& loop) {
    Once::Ended end = ended();
    auto begun = once.begin(key, loop, end);
    REQUIRE_FALSE(std::holds_alternative<Once::TooMany>(begun));
    if (auto* turn = std::get_if<Once::Turn>(&begun)) return std::move(*turn);
    return std::nullopt;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Waiting, "who comes while another is under way waits for it, and is told on its own loop") {
  {
    auto turn = begin("k", mine);
    REQUIRE(turn.has_value());
    CHECK(begin("other", mine).has_value());
    CHECK_FALSE(begin("k", theirs).has_value());
    turn->accepted(of(1));
    theirs.run();
    CHECK(told == 0);
  }
  mine.run();
  CHECK(told == 0);
  theirs.run();
  CHECK(told == 1);
  REQUIRE(with.has_value());
  CHECK(with->id == of(1).id);
  CHECK(begin("k", mine).has_value());  // it is over
}

TEST_CASE_FIXTURE(Waiting, "a turn that ends with nothing, however that is, goes to who has waited longest") {
  auto turn = begin("k", mine);
  CHECK_FALSE(begin("k", mine).has_value());
  CHECK_FALSE(begin("k", theirs).has_value());
  {
    const auto moved = [turn = std::move(*turn)] { (void)turn; };
    turn.reset();  // an empty shell
    mine.run();
    CHECK(told == 0);
  }
  theirs.run();
  CHECK(told == 0);
  mine.run();
  CHECK(told == 1);
  REQUIRE(passed.size() == 1);
  CHECK_FALSE(begin("k", mine).has_value());  // comes last
  passed.clear();
  mine.run();
  CHECK(told == 1);
  theirs.run();
  CHECK(told == 2);
  REQUIRE(passed.size() == 1);
  passed.front().accepted(of(2));
  passed.clear();
  mine.run();
  CHECK(told == 3);
  CHECK(with->id == of(2).id);
  try {
    const auto again = begin("k", mine);
    REQUIRE(again.has_value());
    throw 1;
  } catch (int) {
  }
  CHECK(begin("k", mine).has_value());
}

TEST_CASE_FIXTURE(Waiting, "however many fail one after the other, each is told once") {
  auto turn = begin("k", mine);
  for (std::size_t i = 0; i < Once::most_waiting; ++i) CHECK_FALSE(begin("k", mine).has_value());
  turn.reset();
  for (int i = 1; i <= static_cast<int>(Once::most_waiting); ++i) {
    CHECK(mine.run() == 1);
    CHECK(told == i);
    passed.clear();
  }
  CHECK(mine.run() == 0);
  CHECK(begin("k", mine).has_value());
}

TEST_CASE_FIXTURE(Waiting, "only so many may wait for one key") {
  auto turn = begin("k", mine);
  for (std::size_t i = 0; i < Once::most_waiting; ++i) CHECK_FALSE(begin("k", mine).has_value());
  Once::Ended end = ended();
  CHECK(std::holds_alternative<Once::TooMany>(once.begin("k", mine, end)));
  CHECK(end != nullptr);  // still the caller's
  CHECK(begin("other", mine).has_value());
  turn.reset();
  CHECK(std::holds_alternative<Once::Waits>(once.begin("k", mine, end)));  // there is room again
}

TEST_CASE("a turn may outlive what it is of") {
  auto once = std::make_unique<Once>();
  test::TestLoop loop;
  Once::Ended ended = [](const std::variant<Accepted, Once::Turn>&) {};
  const auto turn = once->begin("k", loop, ended);
  CHECK(std::holds_alternative<Once::Turn>(turn));
  once.reset();
}

TEST_CASE("from many threads each is first, told or turned away, and none is two of them") {
  std::vector<test::TestLoop> loops(4);  // outlive the turns that wait in them
  Once once;
  constexpr int rounds = 2000;
  std::atomic<int> first = 0, told = 0, turned = 0;
  std::vector<std::thread> all;
  for (auto& loop : loops)
    all.emplace_back([&] {
      int waiting = 0;
      for (int i = 0; i < rounds; ++i) {
        Once::Ended ended = [&](const std::variant<Accepted, Once::Turn>&) { --waiting, ++told; };
        auto begun = once.begin("k", loop, ended);
        if (auto* turn = std::get_if<Once::Turn>(&begun))
          ++first, i % 2 == 0 ? turn->accepted(of(1)) : void();
        else if (std::holds_alternative<Once::Waits>(begun))
          ++waiting;
        else
          ++turned;
        loop.run();
      }
      CHECK(loop.run_until([&] { return waiting == 0; }));
    });
  for (auto& thread : all) thread.join();
  CHECK(first + told + turned == 4 * rounds);
}
