#include "mta/intake/once.h"

#include <doctest/doctest.h>

#include <atomic>
#include <optional>
#include <thread>
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
  Once once;
  test::TestLoop mine, theirs;
  int told = 0;
  std::optional<Accepted> with;

  std::optional<Once::Turn> begin(const char* key, test::TestLoop& loop) {
    Once::Ended ended = [this](std::optional<Accepted> accepted) { ++told, with = accepted; };
    return once.begin(key, loop, ended);
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

TEST_CASE_FIXTURE(Waiting, "a turn that ends with nothing, however that is, leaves the key to the others") {
  auto turn = begin("k", mine);
  CHECK_FALSE(begin("k", mine).has_value());
  {
    const auto moved = [turn = std::move(*turn)] { (void)turn; };
    turn.reset();  // an empty shell
    mine.run();
    CHECK(told == 0);
  }
  mine.run();
  CHECK(told == 1);
  CHECK_FALSE(with.has_value());
  try {
    const auto again = begin("k", mine);
    REQUIRE(again.has_value());
    throw 1;
  } catch (int) {
  }
  CHECK(begin("k", mine).has_value());
}

TEST_CASE("a turn may outlive what it is of") {
  auto once = std::make_unique<Once>();
  test::TestLoop loop;
  Once::Ended ended = [](const std::optional<Accepted>&) {};
  auto turn = once->begin("k", loop, ended);
  once.reset();
  turn.reset();
}

TEST_CASE("from many threads each is first or told, and none is both") {
  Once once;
  constexpr int threads = 4, rounds = 2000;
  std::atomic<int> first = 0, told = 0;
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t)
    all.emplace_back([&] {
      test::TestLoop loop;
      int waiting = 0;
      for (int i = 0; i < rounds; ++i) {
        Once::Ended ended = [&](const std::optional<Accepted>&) { --waiting, ++told; };
        if (once.begin("k", loop, ended))
          ++first;
        else
          ++waiting;
        loop.run();
      }
      CHECK(loop.run_until([&] { return waiting == 0; }));
    });
  for (auto& thread : all) thread.join();
  CHECK(first + told == threads * rounds);
}
