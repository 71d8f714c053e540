// The queue of the last process comes back while mail is accepted, and commands wait for it.
#include "mta/main/restore.h"

#include <doctest/doctest.h>

#include <thread>

#include "tests/unit/intake/support.h"
#include "tests/unit/spool/support.h"

using namespace relay;
using namespace relay::spool::test;
using relay::test::Queue;
using relay::test::TestLoop;

namespace {

// A store with messages 1 to `count`, of three recipients in three domains each.
std::unique_ptr<spool::Store> filled(const TempDir& directory, std::uint32_t count) {
  auto store = open(directory);
  std::vector<spool::Operation> batch;
  for (std::uint32_t n = 1; n <= count; ++n) batch.emplace_back(accept({.number = n, .recipients = 3}));
  must(store->apply(batch));
  return store;
}

}  // namespace

TEST_CASE("all that is queued comes back, but for what was accepted meanwhile") {
  TempDir directory;
  const auto store = filled(directory, 5000);
  TestLoop loop;
  Queue queue(loop);
  Arrivals arrivals(queue.writer);
  // Accepted by this process, and delivered before the scan comes to it.
  REQUIRE(arrivals.submit(accept({.number = 4000, .recipients = 3}), loop, {}));
  CHECK(arrivals.contains(id(4000)));
  CHECK(!arrivals.contains(id(3999)));
  CHECK(queue.writer.waiting.size() == 1);

  std::atomic<bool> done = false;
  Result<spool::Claimed> restored;
  std::thread scan([&] {
    restored = restore(*store, queue.dispatcher, arrivals, [] { return false; });
    loop.post([&] { done = true; });
  });
  CHECK(loop.run_until([&] { return done.load(); }));
  scan.join();
  CHECK(must(std::move(restored)).recipients == 3 * 4999);
  CHECK(queue.scheduler.stats().open == 3 * 4999);

  arrivals.stop();
  CHECK(!arrivals.contains(id(4000)));
  REQUIRE(arrivals.submit(accept({.number = 6000}), loop, {}));
  CHECK(!arrivals.contains(id(6000)));
}

TEST_CASE("a restore that is stopped ends, although no loop takes what it has read") {
  TempDir directory;
  const auto store = filled(directory, 5000);
  TestLoop loop;
  Queue queue(loop);
  Arrivals arrivals(queue.writer);
  int looks = 0;
  CHECK(restore(*store, queue.dispatcher, arrivals, [&] { return ++looks > 12; }).has_value());
  CHECK(queue.scheduler.stats().open == 0);
  loop.run();
  CHECK(queue.scheduler.stats().open > 0);
  CHECK(queue.scheduler.stats().open < 15000);
}

TEST_CASE("commands wait until all is restored, then go in order") {
  TestLoop loop;
  Queue queue(loop);
  queue.dispatcher.hold_commands();
  std::string order;
  for (const char name : {'a', 'b'})
    queue.dispatcher.control(queue::Control::hold, {}, loop,
                             [&, name](const Result<queue::ControlResult>&) { order += name; });
  loop.run();
  CHECK(order.empty());
  queue.dispatcher.take_commands();
  loop.run();
  CHECK(order == "ab");
}

TEST_CASE("if not all can be restored, commands that wait and those that come are refused") {
  TestLoop loop;
  Queue queue(loop);
  queue.dispatcher.hold_commands();
  std::string answers;
  const auto ask = [&] {
    queue.dispatcher.control(queue::Control::hold, {}, loop, [&](const Result<queue::ControlResult>& result) {
      answers += result ? "done " : result.error().code == Errc::unavailable ? "refused " : "other ";
    });
  };
  ask();
  loop.run();
  queue.dispatcher.refuse_commands({Errc::unavailable, "not all of the queue has been read"});
  ask();
  CHECK(answers.empty());  // not before the one who asks has gone on
  loop.run();
  CHECK(answers == "refused refused ");
}
