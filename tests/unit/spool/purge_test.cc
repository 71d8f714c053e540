#include "tests/unit/spool/support.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;

namespace {

bool known(const Store& store, std::uint32_t number) { return must(store.find(id(number))).has_value(); }

}  // namespace

TEST_CASE("purge forgets closed messages accepted before a time, and all of them") {
  TempDir directory;
  const auto store = open(directory);
  for (std::uint32_t n = 1; n <= 6; ++n) apply(*store, accept({.number = n, .recipients = 200}));
  for (std::uint32_t n : {1u, 2u, 4u, 6u})
    for (std::uint32_t i = 0; i < 200; ++i) apply(*store, attempted({id(n), i}, Status::delivered));
  CHECK(apply(*store, Purge{at(6)}).purged == 3);
  for (std::uint32_t n : {1u, 2u, 4u}) CHECK_FALSE(known(*store, n));
  for (std::uint32_t n : {3u, 5u, 6u}) CHECK(known(*store, n));
  CHECK(must(store->counts()).messages == 3);
  CHECK(must(store->list({.account = AccountId{"acme"}, .before = {}, .limit = 50})).size() == 3);
  CHECK(apply(*store, Purge{at(6)}).purged == 0);
  // Accepted at exactly the time is not before it.
  CHECK(apply(*store, Purge{WallTime(std::chrono::milliseconds(6001))}).purged == 1);
}

TEST_CASE("a message that was open when purge passed is forgotten after it closes") {
  TempDir directory;
  const auto store = open(directory);
  for (std::uint32_t n = 1; n <= 4; ++n) apply(*store, accept({.number = n}));
  apply(*store, attempted({id(3), 0}, Status::delivered));
  CHECK(apply(*store, Purge{at(5)}).purged == 1);
  apply(*store, attempted({id(2), 0}, Status::failed));
  CHECK(apply(*store, Purge{at(5)}).purged == 1);
  CHECK_FALSE(known(*store, 2));
  CHECK(known(*store, 1));
  CHECK(known(*store, 4));
}

TEST_CASE("purge is bounded, and goes on where it stopped") {
  TempDir directory;
  const auto store = open(directory);
  for (std::uint32_t n = 1; n <= 10; ++n) {
    apply(*store, accept({.number = n}));
    if (n > 1) apply(*store, attempted({id(n), 0}, Status::delivered));
  }
  CHECK(apply(*store, Purge{at(100), 4}).purged == 4);
  CHECK_FALSE(known(*store, 5));
  CHECK(known(*store, 6));
  CHECK(apply(*store, Purge{at(100), 0}).purged == 0);
  CHECK(apply(*store, Purge{at(100), 4}).purged == 4);
  CHECK(apply(*store, Purge{at(100), 4}).purged == 1);
  CHECK(must(store->counts()).messages == 1);
}

TEST_CASE("many open messages do not stop purge for ever") {
  TempDir directory;
  const auto store = open(directory);
  for (std::uint32_t n = 1; n <= 100; ++n) apply(*store, accept({.number = n}));
  apply(*store, attempted({id(100), 0}, Status::delivered));
  int rounds = 0;
  while (known(*store, 100)) {
    apply(*store, Purge{at(1000), 1});
    REQUIRE(++rounds < 10);
  }
  CHECK(rounds > 1);
}

TEST_CASE("what was scheduled is kept from the time it was scheduled for") {
  TempDir directory;
  const auto store = open(directory);
  for (std::uint32_t n = 1; n <= 5; ++n)
    apply(*store, n % 2 == 0 ? accept({.number = n}) : accept_message(scheduled(n, 100 * n)));
  for (std::uint32_t n = 1; n <= 4; ++n) apply(*store, attempted({id(n), 0}, Status::delivered));
  const auto left = [&] {
    std::string numbers;
    for (std::uint32_t n = 1; n <= 5; ++n)
      if (known(*store, n)) numbers += std::to_string(n);
    return numbers;
  };
  const auto purge = [&](std::int64_t before) {
    for (int i = 0; i < 3; ++i) apply(*store, Purge{at(before)});
    return left();
  };
  CHECK(purge(50) == "135");
  CHECK(purge(100) == "135");
  CHECK(purge(101) == "35");
  CHECK(purge(1000) == "5");
  apply(*store, attempted({id(5), 0}, Status::delivered));
  CHECK(purge(500) == "5");
  CHECK(purge(501) == "");
}

TEST_CASE("those that were scheduled far ahead are not looked at again and again") {
  TempDir directory;
  const auto store = open(directory);
  constexpr std::uint32_t count = 300;
  for (std::uint32_t n = 1; n <= count; ++n) {
    apply(*store, accept_message(scheduled(n, 1000 + n)));
    apply(*store, attempted({id(n), 0}, Status::delivered));
  }
  std::uint64_t looks = 0, purged = 0;
  for (std::int64_t before = 1000; before <= 1000 + count + 1; ++before) {
    const Applied applied = apply(*store, Purge{at(before)});
    looks += applied.looked_at, purged += applied.purged;
  }
  CHECK(purged == count);
  CHECK(looks == 2 * count);  // once when it was passed over, once in its time
}

// However many of them there are, each is come to.
TEST_CASE("purge goes round those that were scheduled, a bounded part each time") {
  TempDir directory;
  const auto store = open(directory);
  constexpr std::uint32_t count = 200;
  for (std::uint32_t n = 1; n <= count; ++n) {
    apply(*store, accept_message(scheduled(n, 2000 - n)));
    apply(*store, attempted({id(n), 0}, Status::delivered));
  }
  std::int64_t before = 1000;
  int rounds = 0;
  for (; must(store->counts()).messages > 0; ++before) {
    apply(*store, Purge{at(before), 1});
    REQUIRE(++rounds < 5000);
  }
  CHECK(rounds > 1000);
}

TEST_CASE("a failed batch does not move purge on") {
  TempDir directory;
  LmdbSettings s = settings(directory);
  s.map_bytes = 2u << 20;
  s.reserve_bytes = 0;
  const auto store = must(open_lmdb(s));
  apply(*store, accept({.number = 1}), accept({.number = 2}));
  apply(*store, attempted({id(1), 0}, Status::delivered));
  std::vector<Operation> batch{Purge{at(100)}};
  for (int i = 0; i < 20'000; ++i) batch.push_back(attempted({id(2), 0}, Status::queued));
  REQUIRE_FALSE(store->apply(batch));
  CHECK(known(*store, 1));
  CHECK(apply(*store, Purge{at(100)}).purged == 1);
}

TEST_CASE("purge starts from the oldest again after a restart") {
  TempDir directory;
  {
    const auto store = open(directory);
    apply(*store, accept({.number = 1}), accept({.number = 2}));
    apply(*store, Purge{at(100)}, attempted({id(1), 0}, Status::delivered));
  }
  const auto store = open(directory);
  CHECK(apply(*store, Purge{at(100)}).purged == 1);
  CHECK_FALSE(known(*store, 1));
}
