#include "spool/writer.h"

#include <atomic>
#include <thread>

#include "tests/unit/spool/writer_support.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;

TEST_CASE("what arrives during a commit shares the next one, in order, one post for each executor") {
  FakeStore store;
  Home first, second;
  Heard in_first, in_second;
  ThreadWriter writer(store, {});
  store.close();
  CHECK(writer.submit(mail(1), first, in_first.as(1)));
  store.wait_for_batch(1);
  for (std::uint32_t n = 2; n <= 7; ++n) {
    Home& home = n % 2 ? first : second;
    CHECK(writer.submit(mail(n), home, (n % 2 ? in_first : in_second).as(n)));
  }
  CHECK(first.posts() == 0);  // nothing before the commit
  store.open();
  first.run_until([&] { return in_first.all.size() == 4; });
  second.run_until([&] { return in_second.all.size() == 3; });
  CHECK(store.batches() == std::vector<std::vector<std::uint32_t>>{{1}, {2, 3, 4, 5, 6, 7}});
  CHECK(in_first.all == Said{{1, ok}, {3, ok}, {5, ok}, {7, ok}});
  CHECK(in_second.all == Said{{2, ok}, {4, ok}, {6, ok}});
  CHECK(first.posts() == 2);
  CHECK(second.posts() == 1);
  CHECK(writer.stats().commits == 2);
  CHECK(writer.stats().operations == 7);
}

TEST_CASE("a batch has its bounds, and one operation over them still goes alone") {
  FakeStore store;
  Home home;
  Heard heard;
  WriterSettings settings;
  settings.batch_operations = 3;
  settings.batch_bytes = 10'000;
  ThreadWriter writer(store, settings);
  store.close();
  CHECK(writer.submit(mail(1), home, heard.as(1)));
  store.wait_for_batch(1);
  for (std::uint32_t n = 2; n <= 6; ++n) CHECK(writer.submit(mail(n), home, heard.as(n)));
  CHECK(writer.submit(mail(7, 50'000), home, heard.as(7)));
  CHECK(writer.submit(mail(8, 6'000), home, heard.as(8)));
  CHECK(writer.submit(mail(9, 6'000), home, heard.as(9)));
  store.open();
  home.run_until([&] { return heard.all.size() == 9; });
  CHECK(store.batches() == std::vector<std::vector<std::uint32_t>>{{1}, {2, 3, 4}, {5, 6}, {7}, {8}, {9}});
}

TEST_CASE("over its bound the queue refuses mail and keeps nothing of it, but takes outcomes") {
  FakeStore store;
  Home home;
  Heard heard;
  WriterSettings settings;
  settings.queue_bytes = 20'000;
  ThreadWriter writer(store, settings);
  store.close();
  CHECK(writer.submit(mail(1, 8'000), home, heard.as(1)));
  store.wait_for_batch(1);
  CHECK(writer.submit(mail(2, 8'000), home, heard.as(2)));
  CHECK_FALSE(writer.submit(mail(3, 8'000), home, heard.as(3)));  // what is being committed counts too
  for (std::uint32_t n = 10; n < 60; ++n) CHECK(writer.submit(outcome(n), home, heard.as(n)));
  CHECK_FALSE(writer.submit(mail(4), home, heard.as(4)));
  CHECK_FALSE(writer.submit(PutKey{}, home, heard.as(5)));
  store.open();
  home.run_until([&] { return heard.all.size() == 52; });
  CHECK(writer.submit(mail(6, 8'000), home, heard.as(6)));
  home.run_until([&] { return heard.all.size() == 53; });
  CHECK(heard.all.back().first == 6);
}

TEST_CASE("a full store: mail fails, outcomes are recorded, the order of completions stays") {
  FakeStore store;
  Home home;
  Heard heard;
  store.answer([](std::span<const Operation> batch) -> Result<Applied> {
    if (has_new_mail(batch)) return fail(Errc::full, "no room");
    return Applied{.stale = 1, .purged = 0};
  });
  WriterSettings patient;
  patient.full_pause = std::chrono::hours(1);  // no probe finds the store well again meanwhile
  ThreadWriter writer(store, patient);
  store.close();
  CHECK(writer.submit(outcome(1), home, heard.as(1)));
  store.wait_for_batch(1);
  CHECK(writer.submit(mail(2), home, heard.as(2)));
  CHECK(writer.submit(outcome(3), home, heard.as(3)));
  CHECK(writer.submit(PutKey{}, home, heard.as(0)));
  CHECK(writer.submit(outcome(4), home, heard.as(4)));
  store.open();
  home.run_until([&] { return heard.all.size() == 5; });
  CHECK(store.batches() == std::vector<std::vector<std::uint32_t>>{{1}, {2, 3, 0, 4}, {3, 4}});
  CHECK(heard.all == Said{{1, ok}, {2, Errc::full}, {3, ok}, {0, Errc::full}, {4, ok}});
  CHECK(writer.stats().stale == 2);
  CHECK(writer.stats().state == WriterState::full);
}

TEST_CASE("outcomes that find no room wait for it, in front of what came later") {
  FakeStore store;
  Home home;
  Heard heard;
  std::atomic<int> refusals = 6;
  store.answer([&](std::span<const Operation>) -> Result<Applied> {
    if (refusals > 0) {
      --refusals;
      return fail(Errc::full, "no room");
    }
    return Applied{};
  });
  ThreadWriter writer(store, quick());
  store.close();
  CHECK(writer.submit(mail(1), home, heard.as(1)));
  store.wait_for_batch(1);
  CHECK(writer.submit(outcome(2), home, heard.as(2)));
  CHECK(writer.submit(mail(3), home, heard.as(3)));
  CHECK(writer.submit(outcome(4), home, heard.as(4)));
  store.open();
  home.run_until([&] { return heard.all.size() == 2; });
  CHECK(heard.all == Said{{1, Errc::full}, {3, Errc::full}});
  CHECK(writer.submit(outcome(5), home, heard.as(5)));
  home.run_until([&] { return heard.all.size() == 5; });
  heard.all.erase(heard.all.begin(), heard.all.begin() + 2);
  CHECK(heard.all == Said{{2, ok}, {4, ok}, {5, ok}});
}

TEST_CASE("a store that cannot be written to now: mail fails with that, outcomes wait for it") {
  FakeStore store;
  Home home;
  Heard heard;
  std::atomic<int> refusals = 4;
  store.answer([&](std::span<const Operation>) -> Result<Applied> {
    if (refusals-- > 0) return fail(Errc::unavailable, "read-only");
    return Applied{};
  });
  ThreadWriter writer(store, quick());
  store.close();
  CHECK(writer.submit(outcome(1), home, heard.as(1)));
  store.wait_for_batch(1);
  CHECK(writer.submit(mail(2), home, heard.as(2)));
  CHECK(writer.submit(outcome(3), home, heard.as(3)));
  store.open();
  home.run_until([&] { return heard.all.size() == 3; });
  CHECK(heard.all == Said{{2, Errc::unavailable}, {1, ok}, {3, ok}});
  CHECK(writer.stats().state == WriterState::accepting);
}

TEST_CASE("mail behind outcomes that find no room does not wait with them") {
  FakeStore store;
  Home home;
  Heard heard;
  store.answer([](std::span<const Operation>) -> Result<Applied> { return fail(Errc::full, "no room"); });
  WriterSettings settings;
  settings.full_pause = std::chrono::hours(1);
  settings.batch_operations = 2;
  ThreadWriter writer(store, settings);
  store.close();
  CHECK(writer.submit(mail(1), home, heard.as(1)));
  store.wait_for_batch(1);
  for (std::uint32_t n = 2; n <= 5; ++n) CHECK(writer.submit(outcome(n), home, heard.as(n)));
  CHECK(writer.submit(mail(6), home, heard.as(6)));
  store.open();
  home.run_until([&] { return heard.all.size() == 2; });
  CHECK(heard.all == Said{{1, Errc::full}, {6, Errc::full}});
}

TEST_CASE("a writer that ends while the store is full says so to those who wait") {
  FakeStore store;
  Home home;
  Heard heard;
  store.answer([](std::span<const Operation>) -> Result<Applied> { return fail(Errc::full, "no room"); });
  {
    WriterSettings settings;
    settings.full_pause = std::chrono::hours(1);  // not waited for when stopping
    ThreadWriter writer(store, settings);
    CHECK(writer.submit(outcome(1), home, heard.as(1)));
    CHECK(writer.submit(outcome(2), home, heard.as(2)));
  }
  home.run();
  CHECK(heard.all == Said{{1, Errc::full}, {2, Errc::full}});
}

TEST_CASE("what waits is counted with its age, and commits by their time and size") {
  FakeStore store;
  Home home;
  Heard heard;
  ThreadWriter writer(store, {});
  CHECK(writer.stats().oldest_waiting == Duration::zero());
  store.close();
  CHECK(writer.submit(mail(1), home, heard.as(1)));
  store.wait_for_batch(1);
  CHECK(writer.submit(mail(2, 5000), home, heard.as(2)));
  CHECK(writer.submit(outcome(3), home, heard.as(3)));
  const WriterStats waiting = writer.stats();
  CHECK(waiting.waiting_bytes > 5000);
  CHECK(waiting.oldest_waiting > Duration::zero());
  CHECK(writer.stats().oldest_waiting >= waiting.oldest_waiting);  // that of the first, being committed
  store.open();
  home.run_until([&] { return heard.all.size() == 3; });
  const WriterStats done = writer.stats();
  CHECK(done.waiting_bytes == 0);
  CHECK(done.oldest_waiting == Duration::zero());
  CHECK(done.commit_seconds.sum() > 0);
  CHECK(done.batch_operations.counts().at(0) == 1);  // of one operation
  CHECK(done.batch_operations.counts().at(1) == 1);  // of two
  CHECK(done.batch_operations.sum() == 3);
}

TEST_CASE("after a final error everything fails with it and the store is left alone") {
  FakeStore store;
  Home home;
  Heard heard;
  store.answer(
      [](std::span<const Operation>) -> Result<Applied> { return fail(Errc::system, "broken disk"); });
  ThreadWriter writer(store, {});
  CHECK(writer.submit(mail(1), home, heard.as(1)));
  home.run_until([&] { return heard.all.size() == 1; });
  store.answer({});
  CHECK(writer.submit(mail(2), home, heard.as(2)));
  CHECK(writer.submit(outcome(3), home, [&](const Result<void>& r) {
    CHECK(r.error().message == "broken disk");
    heard.all.push_back({3, r.error().code});
  }));
  home.run_until([&] { return heard.all.size() == 3; });
  CHECK(heard.all == Said{{1, Errc::system}, {2, Errc::system}, {3, Errc::system}});
  CHECK(store.batches().size() == 1);
  CHECK(writer.stats().state == WriterState::failed);
  CHECK(writer.stats().commits == 0);
}

TEST_CASE("a final error while outcomes are stored on their own is final too") {
  FakeStore store;
  Home home;
  Heard heard;
  store.answer([](std::span<const Operation> batch) -> Result<Applied> {
    return has_new_mail(batch) ? fail(Errc::full, "no room") : fail(Errc::corrupt, "damaged");
  });
  ThreadWriter writer(store, {});
  store.close();
  CHECK(writer.submit(mail(1), home, heard.as(1)));
  store.wait_for_batch(1);
  CHECK(writer.submit(mail(2), home, heard.as(2)));
  CHECK(writer.submit(outcome(3), home, heard.as(3)));
  store.open();
  home.run_until([&] { return heard.all.size() == 3; });
  CHECK(heard.all == Said{{1, Errc::full}, {2, Errc::full}, {3, Errc::corrupt}});
  CHECK(writer.stats().state == WriterState::failed);
}

TEST_CASE("outcomes nobody waits for share the commit of the next that somebody does") {
  FakeStore store;
  Home home;
  Heard heard;
  WriterSettings settings;
  settings.linger = std::chrono::hours(1);
  {
    ThreadWriter writer(store, settings);
    CHECK(writer.submit(outcome(1), home, {}));
    CHECK(writer.submit(outcome(2), home, {}));
    CHECK(writer.submit(mail(3), home, heard.as(3)));
    home.run_until([&] { return heard.all.size() == 1; });
    CHECK(writer.submit(outcome(4), home, {}));
  }  // the end does not linger either
  CHECK(store.batches() == std::vector<std::vector<std::uint32_t>>{{1, 2, 3}, {4}});
  CHECK(home.posts() == 1);
}

TEST_CASE("outcomes nobody waits for are committed in the end, sooner if there are many") {
  FakeStore store;
  Home home;
  WriterSettings settings;
  settings.linger = std::chrono::milliseconds(1);
  ThreadWriter soon(store, settings);
  CHECK(soon.submit(outcome(1), home, {}));
  store.wait_for_batch(1);

  FakeStore other;
  settings.linger = std::chrono::hours(1);
  settings.batch_operations = 10;
  ThreadWriter many(other, settings);
  for (std::uint32_t n = 1; n <= 10; ++n) CHECK(many.submit(outcome(n), home, {}));
  other.wait_for_batch(1);
  CHECK(other.batches().at(0).size() == 10);
}

TEST_CASE("the destructor commits what was submitted") {
  FakeStore store;
  Home home;
  Heard heard;
  {
    WriterSettings settings;
    settings.batch_operations = 7;
    ThreadWriter writer(store, settings);
    for (std::uint32_t n = 1; n <= 100; ++n) CHECK(writer.submit(mail(n), home, heard.as(n)));
  }
  home.run();
  REQUIRE(heard.all.size() == 100);
  for (std::uint32_t n = 1; n <= 100; ++n) CHECK(heard.all[n - 1] == Said::value_type{n, ok});
}

TEST_CASE("many threads, the real store, and readers beside them") {
  TempDir directory;
  const auto store = open(directory);
  constexpr std::uint32_t threads = 4, each = 300;
  {
    ThreadWriter writer(*store, {});
    std::vector<std::thread> clients;
    for (std::uint32_t t = 0; t < threads; ++t)
      clients.emplace_back([&, t] {
        Home home;
        std::uint32_t delivered = 0;
        for (std::uint32_t i = 0; i < each; ++i) {
          const std::uint32_t number = 1 + t * each + i;
          RELAY_ASSERT(writer.submit(mail(number), home, [&, number](const Result<void>& accepted) {
            RELAY_ASSERT(accepted.has_value());
            RELAY_ASSERT(store->load(id(number)).has_value());  // committed means readable
            RELAY_ASSERT(writer.submit(outcome(number), home, [&](const Result<void>& r) {
              RELAY_ASSERT(r.has_value());
              ++delivered;
            }));
          }));
        }
        home.run_until([&] { return delivered == each; });
      });
    for (auto& client : clients) client.join();
    CHECK(writer.stats().operations == 2 * threads * each);
    CHECK(writer.stats().commits < 2 * threads * each);
  }
  const Counts counts = must(store->counts());
  CHECK(counts.messages == threads * each);
  CHECK(counts.queued == 0);
}
