#include "spool/writer.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "spool/committer.h"

namespace relay::spool {

struct ThreadWriter::Impl {
  Impl(Store& store, const WriterSettings& with, InFlight* beside)
      : settings(with), ledger(beside), committer(store, with) {}

  bool submit(Operation operation, Executor& home, Committed done);
  void run();
  bool gather();
  void commit();

  const WriterSettings settings;
  InFlight* const ledger;  // may be null

  mutable std::mutex mutex;
  std::condition_variable changed;
  // Under the mutex:
  std::deque<Submitted> queue;  // not yet taken by the thread
  std::size_t bytes = 0;        // of everything that is not completed
  bool awaited = false;         // somebody waits for something in `queue`
  bool stopping = false;
  WriterStats totals;

  Committer committer;  // the thread's own
  std::thread thread;
};

ThreadWriter::ThreadWriter(Store& store, WriterSettings settings, InFlight* ledger)
    : impl_(std::make_unique<Impl>(store, settings, ledger)) {
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

ThreadWriter::~ThreadWriter() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->changed.notify_one();
  impl_->thread.join();
}

bool ThreadWriter::submit(Operation operation, Executor& home, Committed done) {
  return impl_->submit(std::move(operation), home, std::move(done));
}

WriterStats ThreadWriter::stats() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->totals;
}

bool ThreadWriter::Impl::submit(Operation operation, Executor& home, Committed done) {
  const std::size_t size = cost(operation);
  const bool refusable = !is_outcome(operation);
  const bool waits = static_cast<bool>(done);
  bool wake = false;
  {
    const std::lock_guard lock(mutex);
    if (refusable && bytes + size > settings.queue_bytes) return false;
    bytes += size;
    queue.push_back({std::move(operation), {&home, std::move(done), size}});
    wake = queue.size() == 1 || (waits && !awaited) || queue.size() == settings.batch_operations;
    awaited = awaited || waits;
  }
  if (wake) changed.notify_one();
  return true;
}

void ThreadWriter::Impl::run() {
  while (gather()) commit();
}

// Waits for work and takes all there is. False: stopping, and everything is done.
bool ThreadWriter::Impl::gather() {
  std::unique_lock lock(mutex);
  if (committer.stuck()) {
    changed.wait_for(lock, settings.full_pause, [this] { return stopping; });
  } else if (committer.idle()) {
    changed.wait(lock, [this] { return stopping || !queue.empty(); });
    // Nobody waits for these: let others come and share the commit.
    changed.wait_for(lock, settings.linger,
                     [this] { return stopping || awaited || queue.size() >= settings.batch_operations; });
  }
  committer.take(queue);
  awaited = false;
  return !committer.idle();
}

void ThreadWriter::Impl::commit() {
  const bool last = [this] {
    const std::lock_guard lock(mutex);
    return stopping;
  }();
  Completions completions = committer.commit(last);
  {
    const std::lock_guard lock(mutex);
    bytes -= completions.bytes();
    totals = committer.stats();
  }
  completions.post(ledger);
}

}  // namespace relay::spool
