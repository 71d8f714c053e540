#include "mta/base/byte_budget.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

using relay::ByteBudget;

namespace {

constexpr std::uint64_t MiB = 1u << 20;

}  // namespace

TEST_CASE("byte budget: large shares leave the last quarter to small ones") {
  ByteBudget budget(4 * MiB);
  ByteBudget::Share large(&budget), other(&budget), small(&budget);
  CHECK(large.grow_to(2 * MiB));
  CHECK(large.grow_to(3 * MiB));
  CHECK_FALSE(large.grow_to(3 * MiB + 1));
  CHECK(large.bytes() == 3 * MiB);
  CHECK(budget.used() == 3 * MiB);
  CHECK_FALSE(budget.has_room(MiB / 2));
  CHECK(budget.has_room(ByteBudget::small));
  CHECK_FALSE(other.grow_to(MiB / 2));
  CHECK(small.grow_to(ByteBudget::small));
  CHECK_FALSE(small.grow_to(ByteBudget::small + 1));
  large.release();
  CHECK(small.grow_to(ByteBudget::small + 1));
  CHECK(budget.used() == ByteBudget::small + 1);
}

TEST_CASE("byte budget: a small share never gets more than there is") {
  ByteBudget budget(MiB);
  std::vector<ByteBudget::Share> shares;
  for (int i = 0; i < 4; ++i) {
    shares.emplace_back(&budget);
    CHECK(shares.back().grow_to(ByteBudget::small));
  }
  ByteBudget::Share late(&budget);
  CHECK_FALSE(late.grow_to(1));
  CHECK_FALSE(budget.has_room(1));
  shares.clear();
  CHECK(budget.used() == 0);
  CHECK(late.grow_to(1));
}

TEST_CASE("byte budget: pressed from the first refusal until half is free, and told once") {
  int told = 0;
  ByteBudget budget(4 * MiB, [&] { ++told; });
  ByteBudget::Share large(&budget), other(&budget);
  CHECK(large.grow_to(3 * MiB));
  CHECK_FALSE(budget.pressed());
  CHECK_FALSE(other.grow_to(MiB));
  CHECK_FALSE(other.grow_to(MiB));
  CHECK(budget.pressed());
  CHECK(told == 1);
  large.release();
  CHECK_FALSE(budget.pressed());
  SUBCASE("one that is larger than any may be presses nobody") {
    CHECK_FALSE(other.grow_to(4 * MiB));
    CHECK_FALSE(budget.pressed());
  }
}

TEST_CASE("byte budget: a share moves with what it counts, and none has no limit") {
  ByteBudget budget(MiB);
  {
    ByteBudget::Share one(&budget);
    CHECK(one.grow_to(1000));
    const ByteBudget::Share moved(std::move(one));
    CHECK(moved.bytes() == 1000);
    CHECK(budget.used() == 1000);
  }
  CHECK(budget.used() == 0);
  ByteBudget::Share unlimited(nullptr);
  CHECK(unlimited.grow_to(1u << 30));
}

TEST_CASE("byte budget: several threads never have more than the limit together") {
  ByteBudget budget(8 * ByteBudget::small);
  std::vector<std::jthread> threads;
  std::atomic<std::uint64_t> highest = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        ByteBudget::Share share(&budget);
        for (std::uint64_t want = 64 * 1024; want <= MiB; want += 64 * 1024) {
          if (!share.grow_to(want)) break;
        }
        const std::uint64_t used = budget.used();
        for (std::uint64_t h = highest; used > h && !highest.compare_exchange_weak(h, used);) {
        }
      }
    });
  }
  threads.clear();
  CHECK(budget.used() == 0);
  CHECK(highest <= budget.limit());
}
