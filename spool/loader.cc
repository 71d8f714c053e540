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

struct Request {
  MessageId id;
  std::uint64_t at_most;
  Executor* home;
  Loader::Loaded done;
};

void answer(const Store& store, Request request) {
  request.home->post([loaded = store.load(request.id, request.at_most),
                      done = std::move(request.done)]() mutable { done(std::move(loaded)); });
}

}  // namespace

struct ThreadLoader::Impl {
  explicit Impl(const Store& from) : store(from) {}
  void run();

  const Store& store;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Request> line;  // under the mutex
  bool stopping = false;     // the same
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
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->line.push_back({id, at_most, &home, std::move(done)});
  }
  impl_->changed.notify_one();
}

void ThreadLoader::Impl::run() {
  for (;;) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return stopping || !line.empty(); });
    if (stopping) return;
    Request next = std::move(line.front());
    line.pop_front();
    lock.unlock();
    answer(store, std::move(next));
  }
}

void PostingLoader::load(MessageId id, std::uint64_t at_most, Executor& home, Loaded done) {
  answer(store_, {id, at_most, &home, std::move(done)});
}

}  // namespace relay::spool
