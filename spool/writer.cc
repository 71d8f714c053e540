#include "spool/writer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "mta/base/log.h"
#include "spool/committer.h"

namespace relay::spool {
namespace {

constexpr std::array commit_second_bounds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                          0.05,   0.1,     0.25,   0.5,   1.0,    2.5,   5.0,  10.0};
constexpr std::array batch_operation_bounds{1.0,   2.0,   5.0,    10.0,   20.0,   50.0,   100.0,
                                            200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0};

// An attempt that is not stored yet, as it is named if it never is.
struct Unstored {
  RecipientRef ref;
  Status outcome;
};

}  // namespace

struct ThreadWriter::Impl {
  Impl(std::shared_ptr<Store> of, const WriterSettings& with, InFlight* beside, const Result<void>& probed)
      : settings(with), ledger(beside), store(std::move(of)), committer(*store, with) {
    committer.heed(probed);
    totals = committer.stats();
    state = totals.state;
    if (committer.refusing()) probe_at = system_now() + settings.full_pause;
  }

  bool submit(Operation operation, Executor& home, Committed done);
  WriterStats stats() const;
  WriterState seen() const;
  void run();
  bool gather();
  void commit();
  void keep_up();
  bool publish(const Completions& completions, Instant began);
  void give_up();

  const WriterSettings settings;
  InFlight* const ledger;              // may be null
  const std::shared_ptr<Store> store;  // lives as long as the thread, wherever that hangs

  mutable std::mutex mutex;
  std::condition_variable changed;
  // Under the mutex:
  std::deque<Submitted> queue;    // not yet taken by the thread
  std::deque<Unstored> unstored;  // attempts that are not completed, in order
  std::size_t bytes = 0;          // of everything that is not completed
  bool awaited = false;           // somebody waits for something in `queue`
  bool stopping = false;
  bool ended = false;      // the thread has done all it had to do
  bool telling = false;    // it is with those who wait, and with the ledger
  bool abandoned = false;  // nobody waits for the thread any more, nor is there anybody to tell
  WriterStats totals;      // the committer's, and the time of the last commit
  metrics::Distribution commit_seconds{commit_second_bounds}, batch_operations{batch_operation_bounds};
  Instant taken_since = never;  // of the oldest operation the thread has

  // Written under the mutex, read without:
  std::atomic<std::uint64_t> unrecorded{0};
  std::atomic<WriterState> state{WriterState::accepting};  // the committer's
  std::atomic<bool> busy{false};                           // mail was refused, and no commit has ended since

  // The thread's own:
  Committer committer;
  Instant probe_at = never, sync_at = never;

  std::thread thread;  // the owner's
};

// ---- any thread ----

bool ThreadWriter::Impl::submit(Operation operation, Executor& home, Committed done) {
  const std::size_t size = cost(operation);
  const bool refusable = !is_outcome(operation);
  const bool waits = static_cast<bool>(done);
  const Instant now = system_now();
  bool wake = false;
  {
    const std::lock_guard lock(mutex);
    if (refusable && bytes + size > settings.queue_bytes) {
      busy = true;
      return false;
    }
    bytes += size;
    if (const auto* attempt = std::get_if<Attempted>(&operation)) {
      unstored.push_back({attempt->ref, attempt->status});
      ++unrecorded;
    }
    queue.push_back({std::move(operation), {&home, std::move(done), size, now}});
    wake = queue.size() == 1 || (waits && !awaited) || queue.size() == settings.batch_operations;
    awaited = awaited || waits;
  }
  if (wake) changed.notify_one();
  return true;
}

WriterState ThreadWriter::Impl::seen() const {
  const WriterState known = state.load(std::memory_order_relaxed);
  return known == WriterState::accepting && busy.load(std::memory_order_relaxed) ? WriterState::busy : known;
}

WriterStats ThreadWriter::Impl::stats() const {
  const Instant now = system_now();
  const std::lock_guard lock(mutex);
  WriterStats stats = totals;
  stats.state = seen();
  if (stats.state == WriterState::busy) stats.reason = "too much mail waits for the disk";
  stats.unrecorded = unrecorded;
  stats.waiting_bytes = bytes;
  const Instant oldest = queue.empty() ? taken_since : std::min(taken_since, queue.front().waiter.since);
  if (oldest < now) stats.oldest_waiting = now - oldest;
  stats.commit_seconds = commit_seconds;
  stats.batch_operations = batch_operations;
  return stats;
}

// ---- the thread ----

void ThreadWriter::Impl::run() {
  while (gather()) {
    if (!committer.idle()) commit();
    if (system_now() >= std::min(probe_at, sync_at)) keep_up();
  }
  committer.sync();
  const std::lock_guard lock(mutex);
  ended = true;
  changed.notify_all();
}

// Waits for something to do and takes what there is. False: stopping, and everything is done.
bool ThreadWriter::Impl::gather() {
  const auto until = [&](Instant when) {
    return std::chrono::steady_clock::now() +
           std::clamp<Duration>(when - system_now(), {}, std::chrono::hours(1));
  };
  std::unique_lock lock(mutex);
  if (committer.stuck()) {
    changed.wait_for(lock, settings.full_pause, [this] { return stopping; });
  } else if (committer.idle()) {
    changed.wait_until(lock, until(std::min(probe_at, sync_at)),
                       [this] { return stopping || !queue.empty(); });
    // Nobody waits for these: let others come and share the commit.
    if (!queue.empty())
      changed.wait_for(lock, settings.linger,
                       [this] { return stopping || awaited || queue.size() >= settings.batch_operations; });
  }
  committer.take(queue);
  awaited = false;
  taken_since = committer.oldest();
  return !abandoned && (!committer.idle() || !stopping);
}

void ThreadWriter::Impl::commit() {
  const bool last = [this] {
    const std::lock_guard lock(mutex);
    return stopping;
  }();
  const Instant began = system_now();
  Completions completions = committer.commit(last);
  if (committer.unsynced()) sync_at = system_now() + settings.sync_pause;
  if (committer.refusing() && probe_at == never) probe_at = system_now() + settings.full_pause;
  if (!publish(completions, began)) return;
  completions.post(ledger);
  const std::lock_guard lock(mutex);
  telling = false;
  if (stopping) changed.notify_all();
}

// What the store needs when nothing is submitted too.
void ThreadWriter::Impl::keep_up() {
  const Instant now = system_now();
  if (now >= sync_at) {
    sync_at = never;
    committer.sync();
  }
  if (now >= probe_at) {
    probe_at = never;
    if (!committer.stuck()) committer.probe();  // else the outcomes that wait are the probe
    if (committer.refusing()) probe_at = system_now() + settings.full_pause;
  }
  publish({}, now);
}

// Tells other threads how things stand. False: there is nobody to be told.
bool ThreadWriter::Impl::publish(const Completions& completions, Instant began) {
  const WriterStats& now = committer.stats();
  const std::lock_guard lock(mutex);
  if (abandoned) return false;
  const std::uint64_t concluded = completions.recorded() + (now.lost - totals.lost);
  RELAY_ASSERT(concluded <= unstored.size());
  unstored.erase(unstored.begin(), unstored.begin() + static_cast<std::ptrdiff_t>(concluded));
  unrecorded -= completions.recorded();
  bytes -= completions.bytes();
  if (completions.bytes() > 0) busy = false;
  const WriterStats before = std::exchange(totals, now);
  totals.last_commit = before.last_commit;
  if (now.commits > before.commits) {
    totals.last_commit = system_wall();
    commit_seconds.add(std::chrono::duration<double>(system_now() - began).count());
    batch_operations.add(static_cast<double>(now.operations - before.operations));
  }
  state = now.state;
  taken_since = committer.oldest();
  telling = completions.bytes() > 0;
  return true;
}

// ---- its owner ----

// The store hangs and may do so for ever. Under the mutex.
void ThreadWriter::Impl::give_up() {
  abandoned = true;
  for (const Unstored& each : unstored) log_lost(each.ref, each.outcome, "the store does not answer");
  totals.lost += unstored.size();
  thread.detach();
}

ThreadWriter::ThreadWriter(std::shared_ptr<Store> store, const WriterSettings& settings, InFlight* ledger,
                           const Result<void>& probed)
    : impl_(std::make_shared<Impl>(std::move(store), settings, ledger, probed)) {
  impl_->thread = std::thread([impl = impl_] { impl->run(); });
}

// A pointer that owns nothing.
ThreadWriter::ThreadWriter(Store& store, const WriterSettings& settings, InFlight* ledger)
    : ThreadWriter(std::shared_ptr<Store>(std::shared_ptr<void>(), &store), settings, ledger) {}

ThreadWriter::~ThreadWriter() { stop(); }

bool ThreadWriter::stop() {
  Impl& impl = *impl_;
  if (!impl.thread.joinable()) return !impl.abandoned;
  std::unique_lock lock(impl.mutex);
  impl.stopping = true;
  impl.changed.notify_all();
  const auto done = [&impl] { return impl.ended; };
  const bool owned = impl.store.use_count() > 0;
  if (!owned) impl.changed.wait(lock, done);
  if (!impl.changed.wait_for(lock, impl.settings.stop_patience, done)) {
    impl.changed.wait(lock, [&impl] { return !impl.telling; });
    if (!impl.ended) impl.give_up();
  }
  if (impl.totals.lost > 0)
    log::error(
        "spool: {} outcomes are not recorded, as named above; those recipients are tried again after the "
        "next start",
        impl.totals.lost);
  if (impl.abandoned) return false;
  lock.unlock();
  impl.thread.join();
  return true;
}

bool ThreadWriter::submit(Operation operation, Executor& home, Committed done) {
  return impl_->submit(std::move(operation), home, std::move(done));
}

std::uint64_t ThreadWriter::unrecorded() const { return impl_->unrecorded.load(std::memory_order_relaxed); }
WriterState ThreadWriter::state() const { return impl_->seen(); }
WriterStats ThreadWriter::stats() const { return impl_->stats(); }

}  // namespace relay::spool
