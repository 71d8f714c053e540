// Writer: the one door to Store::apply, where many operations share a commit.
//
// submit() may be called from any thread; the operation's completion is posted to the given executor after
// the commit that holds it (or its failure). While one commit syncs, the next batch gathers (leveldb's
// BuildBatchGroup is the model): an idle system commits at once, a busy one shares. Completions of a batch
// are posted once per executor, in the order of submission. The queue is bounded: over it submit() answers
// false and keeps nothing, and the caller says 452 or 503. Outcomes (Attempted, SetStatus) are never refused:
// a reserve is theirs. Order of submission is order of application. After a final error (Store::apply) every
// operation fails with it, from then on. When the store cannot take a batch now (Errc::full,
// Errc::unavailable) its outcomes are committed without the rest, and if they cannot be either they wait and
// are tried again; all else of the batch fails with that error. A batch in which nobody waits (every `done`
// is empty) may linger, so that outcomes share the commits of new mail; a crash then forgets them, and those
// attempts may be repeated. ThreadWriter owns one thread; its destructor commits what was submitted, then
// joins. In simulation tests/sim's writer decides by the same Committer on a virtual clock.
#pragma once
#include <chrono>
#include <functional>
#include <memory>

#include "mta/base/loop.h"
#include "mta/base/metrics.h"
#include "mta/base/result.h"
#include "spool/in_flight.h"
#include "spool/store.h"
#include "spool/types.h"

namespace relay::spool {

using Committed = std::move_only_function<void(const Result<void>&)>;

class Writer {
 public:
  virtual ~Writer() = default;
  // `home` must stay alive until done has run. `done` may be empty.
  [[nodiscard]] virtual bool submit(Operation operation, Executor& home, Committed done) = 0;
};

struct WriterSettings {
  std::size_t queue_bytes =
      256u << 20;  // bodies and records waiting for a commit; over it new mail is refused
  std::size_t batch_bytes = 32u << 20;         // one commit at most; more lengthens the wait of those in it
  std::size_t batch_operations = 10000;        // the same
  std::chrono::milliseconds linger{20};        // a batch nobody waits for, before its commit
  std::chrono::milliseconds full_pause{1000};  // between two tries to store outcomes when nothing fits
};

// What a running writer can tell, read from any thread.
struct WriterStats {
  std::uint64_t commits = 0, operations = 0, stale = 0;
  bool failed = false;  // a final error has happened
  // Submitted and not yet completed.
  std::uint64_t waiting_bytes = 0;
  Duration oldest_waiting{};
  // Of the commits made: how long each took, and how much it held.
  metrics::Distribution commit_seconds, batch_operations;
};

class ThreadWriter final : public Writer {
 public:
  // Both must outlive it. The ledger is told of every attempt whose outcome has been committed.
  ThreadWriter(Store& store, WriterSettings settings, InFlight* ledger = nullptr);
  ~ThreadWriter() override;
  bool submit(Operation operation, Executor& home, Committed done) override;
  WriterStats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace relay::spool
