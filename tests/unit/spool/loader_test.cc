// The loader, and what it does: reading a message's content in slices.
#include "spool/loader.h"

#include <doctest/doctest.h>

#include <atomic>
#include <semaphore>
#include <thread>

#include "spool/lmdb_store.h"
#include "tests/unit/spool/null_store.h"
#include "tests/unit/spool/support.h"
#include "tests/unit/support/test_loop.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;
using relay::test::TestLoop;

namespace {

// A store whose loads wait until they are let go.
class SlowStore final : public NullStore {
 public:
  Result<MessagePtr> load(MessageId wanted, std::uint64_t) const override {
    ++entered;
    let.acquire();
    return fail(Errc::not_found, wanted.text());
  }

  mutable std::counting_semaphore<> let{0};
  mutable std::atomic<int> entered{0};
};

}  // namespace

TEST_CASE("a content of any number of slices is read whole") {
  TempDir directory;
  const auto store = open(directory);
  const std::size_t slice = LmdbStore::slice_bytes;
  const std::size_t sizes[] = {0,     1,         4000,         5000,      slice - 1,
                               slice, slice + 1, slice + 4100, 3 * slice, 5'000'000};
  std::uint32_t number = 0;
  for (const std::size_t size : sizes) {
    CAPTURE(size);
    const std::string content = some_bytes(size, size);
    apply(*store, accept({.number = ++number, .content = content}));
    const auto loaded = must(store->load(id(number)));
    CHECK(loaded->size == size);
    CHECK(loaded->body->flatten() == content);
  }
}

TEST_CASE("a content longer than was asked for stays away, and its size is told") {
  TempDir directory;
  const auto store = open(directory);
  apply(*store, accept({.content = some_bytes(10'000, 1)}));
  const auto without = must(store->load(id(1), 9'999));
  CHECK(!without->body);
  CHECK(without->size == 10'000);
  CHECK(without->envelope.recipients.size() == 1);
  CHECK(must(store->load(id(1), 10'000))->body->size() == 10'000);
}

TEST_CASE("a message that closes between two slices is not found, never damaged or half") {
  TempDir directory;
  const auto store = open(directory);
  const std::string content = some_bytes(3 * LmdbStore::slice_bytes, 1);
  int whole = 0, gone = 0;
  for (std::uint32_t number = 1; number <= 200 && (whole == 0 || gone == 0); ++number) {
    apply(*store, accept({.number = number, .content = content}));
    std::binary_semaphore begin{0};
    std::thread closer([&] {
      begin.acquire();
      apply(*store, attempted({id(number), 0}, Status::delivered));
    });
    if (number % 2 == 0) begin.release();
    const auto loaded = store->load(id(number));
    if (number % 2 == 1) begin.release();
    closer.join();
    if (loaded) {
      ++whole;
      CHECK((*loaded)->body->flatten() == content);
    } else {
      ++gone;
      CHECK(loaded.error().code == Errc::not_found);
    }
  }
  CHECK(whole > 0);
}

TEST_CASE("each load is answered once, on the loop that asked, never inside the call") {
  TempDir directory;
  const auto store = open(directory);
  for (std::uint32_t n = 1; n <= 50; ++n)
    apply(*store, accept({.number = n, .content = some_bytes(100 * n, n)}));
  TestLoop loop;
  std::unique_ptr<Loader> loader;
  SUBCASE("by threads") { loader = std::make_unique<ThreadLoader>(*store, LoaderSettings{.threads = 3}); }
  SUBCASE("at once, but posted") { loader = std::make_unique<PostingLoader>(*store); }
  const auto thread = std::this_thread::get_id();
  std::uint32_t answered = 0, missing = 0;
  for (std::uint32_t n = 1; n <= 51; ++n)
    loader->load(id(n), Store::whole, loop, [&, n](const Result<MessagePtr>& loaded) {
      CHECK(std::this_thread::get_id() == thread);
      ++answered;
      if (!loaded)
        ++missing;
      else
        CHECK((*loaded)->body->flatten() == some_bytes(100 * n, n));
    });
  CHECK(answered == 0);
  CHECK(loop.run_until([&] { return answered == 51; }));
  CHECK(missing == 1);
}

TEST_CASE("loads go beside each other, and a loader that ends leaves those in line") {
  SlowStore store;
  TestLoop loop;
  auto loader = std::make_unique<ThreadLoader>(store, LoaderSettings{.threads = 2});
  int answered = 0;
  for (std::uint32_t n = 1; n <= 5; ++n)
    loader->load(id(n), Store::whole, loop, [&](const Result<MessagePtr>&) { ++answered; });
  store.let.release();
  CHECK(loop.run_until([&] { return answered == 1; }));
  while (store.entered < 3) std::this_thread::yield();  // two are under way, two in line
  std::thread ender([&] { loader.reset(); });
  store.let.release(4);  // enough for all, in case the end is slower than they
  ender.join();
  loop.run();
  CHECK(answered >= 3);
  CHECK(answered == store.entered);
}
