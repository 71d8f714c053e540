#include "spool/writer.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "spool/committer.h"

namespace relay::spool {
namespace {

constexpr std::array commit_second_bounds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                          0.05,   0.1,     0.25,   0.5,   1.0,    2.5,   5.0,  10.0};
constexpr std::array batch_operation_bounds{1.0,   2.0,   5.0,    10.0,   20.0,   50.0,   100.0,
                                            200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0};

}  // namespace

struct ThreadWriter::Impl {
  Impl(Store& store, const WriterSettings& with, InFlight* beside)
      : settings(with), ledger(beside), committer(store, with) {}

  bool submit(Operation operation, Executor& home, Committed done);
  WriterStats stats() const;
  void note_commit(Instant began);
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
  WriterStats totals;  // the committer's
  metrics::Distribution commit_seconds{commit_second_bounds}, batch_operations{batch_operation_bounds};
  Instant taken_since = never;  // of the oldest operation the thread has

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

WriterStats ThreadWriter::stats() const { return impl_->stats(); }

WriterStats ThreadWriter::Impl::stats() const {
  const Instant now = system_now();
  const std::lock_guard lock(mutex);
  WriterStats stats = totals;
  stats.waiting_bytes = bytes;
  const Instant oldest = queue.empty() ? taken_since : std::min(taken_since, queue.front().waiter.since);
  if (oldest < now) stats.oldest_waiting = now - oldest;
  stats.commit_seconds = commit_seconds;
  stats.batch_operations = batch_operations;
  return stats;
}

bool ThreadWriter::Impl::submit(Operation operation, Executor& home, Committed done) {
  const std::size_t size = cost(operation);
  const bool refusable = !is_outcome(operation);
  const bool waits = static_cast<bool>(done);
  const Instant now = system_now();
  bool wake = false;
  {
    const std::lock_guard lock(mutex);
    if (refusable && bytes + size > settings.queue_bytes) return false;
    bytes += size;
    queue.push_back({std::move(operation), {&home, std::move(done), size, now}});
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
  taken_since = committer.oldest();
  return !committer.idle();
}

void ThreadWriter::Impl::commit() {
  const bool last = [this] {
    const std::lock_guard lock(mutex);
    return stopping;
  }();
  const Instant began = system_now();
  Completions completions = committer.commit(last);
  {
    const std::lock_guard lock(mutex);
    bytes -= completions.bytes();
    taken_since = committer.oldest();
    note_commit(began);
  }
  completions.post(ledger);
}

// Under the mutex.
void ThreadWriter::Impl::note_commit(Instant began) {
  const WriterStats before = std::exchange(totals, committer.stats());
  if (totals.commits == before.commits) return;
  commit_seconds.add(std::chrono::duration<double>(system_now() - began).count());
  batch_operations.add(static_cast<double>(totals.operations - before.operations));
}

}  // namespace relay::spool
