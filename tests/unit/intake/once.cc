#include "mta/intake/once.h"

#include <doctest/doctest.h>

#include <atomic>
#include <optional>
#include <thread>

#include "tests/unit/support/test_loop.h"

using namespace relay;
using namespace relay::intake;

namespace {

AcceptResult of(std::uint8_t number) {
  MessageId id;
  id.bytes[15] = number;
  return Accepted{id, {}};
}

}  // namespace

TEST_CASE("who comes while another is under way waits for its result, and is told on its own loop") {
  Once once;
  test::TestLoop mine, theirs;
  std::optional<AcceptResult> told;
  Answer answer = [&](AcceptResult result) { told = std::move(result); };
  CHECK(once.begin("k", mine, answer));
  CHECK(once.begin("other", mine, answer));
  CHECK_FALSE(once.begin("k", theirs, answer));
  once.end("k", of(1));
  CHECK_FALSE(told.has_value());
  mine.run();
  CHECK_FALSE(told.has_value());
  theirs.run();
  REQUIRE(told.has_value());
  CHECK(told->value().id == of(1)->id);
  Answer again = [](const AcceptResult&) {};
  CHECK(once.begin("k", mine, again));  // it is over
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
        Answer answer = [&](const AcceptResult&) { --waiting, ++told; };
        if (once.begin("k", loop, answer)) {
          ++first;
          once.end("k", of(2));
        } else {
          ++waiting;
        }
        loop.run();
      }
      CHECK(loop.run_until([&] { return waiting == 0; }));
    });
  for (auto& thread : all) thread.join();
  CHECK(first + told == threads * rounds);
}
