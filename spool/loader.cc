#include "spool/loader.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace relay::spool {
namespace {

Task reading(const Store& store, MessageId id, std::uint64_t at_most, Executor& home, Loader::Loaded done) {
  return [&store, id, at_most, &home, done = std::move(done)]() mutable {
    home.post(
        [loaded = store.load(id, at_most), done = std::move(done)]() mutable { done(std::move(loaded)); });
  };
}

Task listing(const Store& store, QueueQuery query, Executor& home, Loader::Listed done) {
  return [&store, query = std::move(query), &home, done = std::move(done)]() mutable {
    home.post([rows = store.list_queue(query), done = std::move(done)]() mutable { done(std::move(rows)); });
  };
}

}  // namespace

struct ThreadLoader::Impl {
  explicit Impl(const Store& from) : store(from) {}
  void add(Task read);
  void run();

  const Store& store;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Task> line;  // under the mutex
  bool stopping = false;  // the same
  std::vector<std::jthread> threads;
};

ThreadLoader::ThreadLoader(const Store& store, LoaderSettings settings)
    : impl_(std::make_unique<Impl>(store)) {
  for (std::uint32_t i = 0; i < std::max(1u, settings.threads); ++i)
    impl_->threads.emplace_back([impl = impl_.get()] { impl->run(); });
}

ThreadLoader::~ThreadLoader() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->changed.notify_all();
  impl_->threads.clear();
}

void ThreadLoader::load(MessageId id, std::uint64_t at_most, Executor& home, Loaded done) {
  impl_->add(reading(impl_->store, id, at_most, home, std::move(done)));
}

void ThreadLoader::list_queue(QueueQuery query, Executor& home, Listed done) {
  impl_->add(listing(impl_->store, std::move(query), home, std::move(done)));
}

void ThreadLoader::Impl::add(Task read) {
  {
    const std::lock_guard lock(mutex);
    line.push_back(std::move(read));
  }
  changed.notify_one();
}

void ThreadLoader::Impl::run() {
  for (;;) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return stopping || !line.empty(); });
    if (stopping) return;
    Task next = std::move(line.front());
    line.pop_front();
    lock.unlock();
    next();
  }
}

void PostingLoader::load(MessageId id, std::uint64_t at_most, Executor& home, Loaded done) {
  reading(store_, id, at_most, home, std::move(done))();
}

void PostingLoader::list_queue(QueueQuery query, Executor& home, Listed done) {
  listing(store_, std::move(query), home, std::move(done))();
}

}  // namespace relay::spool
