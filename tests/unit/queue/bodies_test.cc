// What is kept in memory, what gives way, and what waits.
#include "mta/queue/bodies.h"

#include <doctest/doctest.h>

#include "mta/base/rng.h"

using namespace relay;
using namespace relay::queue;

namespace {

spool::MessagePtr with_content(std::size_t bytes) {
  auto made = std::make_shared<spool::Message>();
  made->body = std::make_shared<Body>(std::string(bytes, 'x'));
  made->size = bytes;
  return made;
}

const std::uint64_t one = Bodies::weight(*with_content(1000));
constexpr Slot site = 5, other_site = 6;

Slot loaded(Bodies& bodies, Slot message, std::size_t bytes) {
  const Slot body = bodies.use(message);
  REQUIRE(bodies.wait(body, {}));
  REQUIRE(bodies.reserve(body, bytes));
  bodies.take_waiting(body);
  bodies.loaded(body, with_content(bytes));
  return body;
}

}  // namespace

TEST_CASE("content is kept once a message, up to the bound, and goes when it is dropped") {
  Bodies bodies(2 * one);
  bodies.keep(1, site, with_content(1000), 0);
  bodies.keep(1, other_site, with_content(1000), 0);
  CHECK(bodies.bytes() == one);
  bodies.keep(2, site, with_content(1000), 1);
  bodies.keep(3, site, with_content(1000), 2);
  CHECK(bodies.bytes() == 2 * one);
  CHECK(bodies.peek(2));
  CHECK(!bodies.peek(3));
  bodies.drop(1);
  bodies.drop(3);
  CHECK(!bodies.peek(1));
  CHECK(bodies.bytes() == one);
  bodies.keep(4, site, with_content(1000), 0);
  CHECK(bodies.bytes() == 2 * one);
  CHECK(bodies.most_bytes() == 2 * one);
}

TEST_CASE("what is needed last gives way, and what would be needed later still is not kept") {
  Bodies bodies(3 * one);
  bodies.keep(1, site, with_content(1000), 0);
  bodies.keep(2, site, with_content(1000), 100);
  bodies.keep(3, site, with_content(1000), 101);
  bodies.keep(4, site, with_content(1000), 5000);  // after all of them
  CHECK(!bodies.peek(4));
  bodies.keep(5, other_site, with_content(1000), 3);
  CHECK(bodies.peek(5));
  CHECK(!bodies.peek(3));  // the youngest of those that stood far back
  CHECK(bodies.peek(2));
  bodies.keep(6, other_site, with_content(1000), 0);
  CHECK(!bodies.peek(2));
  CHECK(bodies.peek(1));
  CHECK(bodies.bytes() == 3 * one);
}

TEST_CASE("nothing is dropped for what has no room even then") {
  Bodies bodies(3 * one);
  bodies.keep(1, site, with_content(1000), 100);
  const Slot body = bodies.use(1);
  bodies.keep(2, site, with_content(1000), 100);
  bodies.keep(3, site, with_content(3 * one), 0);
  CHECK(bodies.peek(2));
  CHECK(!bodies.peek(3));
  bodies.release(body, false);
}

TEST_CASE("a site's kept content goes with its hope, but not what is used") {
  Bodies bodies(10 * one);
  for (Slot message = 0; message < 3; ++message) bodies.keep(message, site, with_content(1000), 0);
  bodies.keep(7, other_site, with_content(1000), 0);
  const Slot used = bodies.use(1);
  bodies.drop_kept_for(site);
  CHECK(bodies.bytes() == 2 * one);
  CHECK(bodies.peek(7));
  CHECK(bodies.content(used));
  bodies.release(used, false);
  CHECK(bodies.bytes() == one);
}

TEST_CASE("users share one content, and the last leaves it to those who will want it") {
  Bodies bodies(10 * one);
  bodies.keep(1, site, with_content(1000), 0);
  const Slot a = bodies.use(1), b = bodies.use(1);
  CHECK(a == b);
  CHECK(bodies.message(a) == 1);
  bodies.release(a, true);
  CHECK(bodies.content(b));
  bodies.release(b, true);
  CHECK(bodies.peek(1));
  bodies.release(bodies.use(1), false);
  CHECK(!bodies.peek(1));
  CHECK(bodies.bytes() == 0);
}

TEST_CASE("a message that is forgotten leaves its content to its users alone") {
  Bodies bodies(10 * one);
  const Slot old = loaded(bodies, 1, 1000);
  bodies.drop(1);
  CHECK(bodies.content(old));
  CHECK(bodies.message(old) == no_slot);
  const Slot next = bodies.use(1);  // the slot names another message now
  CHECK(next != old);
  CHECK(!bodies.content(next));
  bodies.release(old, true);
  bodies.release(next, true);
  CHECK(bodies.bytes() == 0);
}

TEST_CASE("one asks for a load, all who wait are told") {
  Bodies bodies(10 * one);
  const Slot body = bodies.use(1);
  bodies.use(1);
  CHECK(bodies.wait(body, {1, 1}));
  CHECK(!bodies.wait(body, {2, 1}));
  REQUIRE(bodies.reserve(body, 2000));
  CHECK(bodies.bytes() == 2000);
  CHECK(bodies.take_waiting(body).size() == 2);
  bodies.loaded(body, with_content(1000));
  CHECK(bodies.bytes() == one);
  bodies.release(body, false);
  bodies.release(body, false);
  CHECK(bodies.bytes() == 0);

  const Slot again = bodies.use(1);  // it failed, and is asked for again
  CHECK(bodies.wait(again, {1, 1}));
  REQUIRE(bodies.reserve(again, 2000));
  bodies.take_waiting(again);
  bodies.unreserve(again);
  CHECK(bodies.bytes() == 0);
  CHECK(bodies.wait(again, {1, 1}));
  bodies.release(again, true);
}

TEST_CASE("loads take the room of what is kept, then wait, but one always may go") {
  Bodies bodies(4 * one);
  for (Slot message = 10; message < 14; ++message) bodies.keep(message, site, with_content(1000), 0);
  const Slot a = loaded(bodies, 1, 1000);
  CHECK(bodies.bytes() == 4 * one);
  CHECK(!bodies.peek(13));
  const Slot b = bodies.use(2);
  CHECK(!bodies.reserve(b, 4 * one));
  CHECK(bodies.peek(12));  // which would not have helped
  bodies.release(a, false);
  REQUIRE(bodies.reserve(b, 100 * one));  // alone in memory
  CHECK(!bodies.peek(10));
  CHECK(!bodies.reserve(bodies.use(3), 1));
  bodies.loaded(b, with_content(1000));
  bodies.release(b, false);
  REQUIRE(bodies.reserve(bodies.use(3), 1));
}

TEST_CASE("a load whose users have gone keeps its room until it ends, and serves who comes meanwhile") {
  Bodies bodies(4 * one);
  const Slot left = bodies.use(1);
  const Handle handle = bodies.handle(left);
  bodies.wait(left, {});
  REQUIRE(bodies.reserve(left, 1000));
  bodies.release(left, false);
  CHECK(bodies.bytes() == 1000);
  SUBCASE("nobody comes") {
    bodies.loaded(left, with_content(1000));
    CHECK(!bodies.is(handle));
    CHECK(bodies.bytes() == 0);
  }
  SUBCASE("it fails") {
    bodies.unreserve(left);
    CHECK(!bodies.is(handle));
  }
  SUBCASE("its message goes too") {
    bodies.drop(1);
    CHECK(bodies.is(handle));
    bodies.loaded(left, with_content(1000));
    CHECK(bodies.bytes() == 0);
  }
  SUBCASE("another comes") {
    CHECK(bodies.use(1) == left);
    CHECK(!bodies.wait(left, {}));
    bodies.loaded(left, with_content(1000));
    CHECK(bodies.content(left));
    bodies.release(left, false);
    CHECK(bodies.bytes() == 0);
  }
}

TEST_CASE("whatever is done, the bound holds and all is given back") {
  SeededRng rng(1);
  const std::uint64_t limit = 20 * one;
  Bodies bodies(limit);
  std::vector<Slot> used, loading;
  for (int step = 0; step < 50000; ++step) {
    const auto message = static_cast<Slot>(rng.below(60));
    switch (rng.below(6)) {
      case 0: bodies.keep(message, message % 7, with_content(rng.below(2000)), message); break;
      case 1: bodies.drop(message); break;
      case 2: bodies.drop_kept_for(static_cast<Slot>(rng.below(7))); break;
      case 3:
        if (used.size() > 30) break;
        used.push_back(bodies.use(message));
        if (!bodies.content(used.back()) && bodies.wait(used.back(), {})) {
          if (bodies.reserve(used.back(), 2000))
            loading.push_back(used.back());
          else
            bodies.take_waiting(used.back());
        }
        break;
      case 4:
        if (used.empty()) break;
        std::swap(used[rng.below(used.size())], used.back());
        bodies.release(used.back(), rng.below(2) == 0);
        used.pop_back();
        break;
      default:
        if (loading.empty()) break;
        bodies.take_waiting(loading.back());
        if (rng.below(3) > 0)
          bodies.loaded(loading.back(), with_content(rng.below(1000)));
        else
          bodies.unreserve(loading.back());
        loading.pop_back();
    }
    REQUIRE(bodies.bytes() <= limit);
  }
  for (const Slot body : loading) {
    bodies.take_waiting(body);
    bodies.unreserve(body);
  }
  for (const Slot body : used) bodies.release(body, true);
  for (Slot message = 0; message < 60; ++message) bodies.drop(message);
  CHECK(bodies.bytes() == 0);
}
