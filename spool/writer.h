// Writer: the one door to Store::apply, where many operations share a commit.
//
// submit() may be called from any thread; the operation's completion is posted to the given executor after
// the commit that holds it (or its failure). While one commit syncs, the next batch gathers (leveldb's
// BuildBatchGroup is the model): an idle system commits at once, a busy one shares. Completions of a batch
// are posted once per executor, in the order of submission. Order of submission is order of application. The
// queue is bounded: over it submit() answers false and keeps nothing, and the caller says 452 or 503.
// Outcomes (Attempted, SetStatus) are never refused: a reserve is theirs. A batch in which nobody waits
// (every `done` is empty) may linger, so that outcomes share the commits of new mail.
//
// When the store cannot take a batch now (Errc::full, Errc::unavailable) its outcomes are committed without
// the rest of it, and if even they are not taken they wait and are tried again; all else of the batch fails
// with that error. The store is then asked every full_pause whether it takes mail again, so that this ends by
// itself; not for the first small message, but when there is room for some, so that it does not come and go
// every second. An operation the store names as failing alone fails with its error. Any other error of the
// store is final: every operation fails with it, from then on.
//
// unrecorded() counts the Attempted that were submitted and are not stored: those that wait, and those that a
// final error has lost, for ever. The scheduler begins no delivery while it is at
// SchedulerSettings::unrecorded, whatever the store's trouble. So a crash repeats at most so many deliveries,
// and those under way. Each lost one is logged with what it concerns.
//
// ThreadWriter owns one thread. In simulation tests/sim's writer decides by the same Committer on a virtual
// clock.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "mta/base/loop.h"
#include "mta/base/metrics.h"
#include "mta/base/result.h"
#include "spool/in_flight.h"
#include "spool/store.h"
#include "spool/types.h"

namespace relay::spool {

using Committed = std::move_only_function<void(const Result<void>&)>;

// Whether new mail can be stored, as far as is known.
enum class WriterState : std::uint8_t {
  accepting,
  busy,         // more waits for its commit than may wait
  full,         // no room
  unavailable,  // cannot be written now
  damaged,      // the place where new mail goes: not before the spool is repaired
  failed,       // a final error: not before a restart
};
std::string_view text(WriterState state);  // "accepting"

// Bytes that a probe of the store asks room for at least: some messages.
inline constexpr std::uint64_t least_room = 1u << 20;

// What a running writer can tell.
struct WriterStats {
  std::uint64_t commits = 0, operations = 0, stale = 0;  // operations: in those commits
  std::uint64_t damaged = 0;                             // operations that failed alone
  std::uint64_t refusals = 0;                            // commits the store did not take
  WriterState state = WriterState::accepting;
  std::string reason;            // why, in words, unless it is accepting
  std::uint64_t unrecorded = 0;  // those lost among them
  std::uint64_t lost = 0;        // outcomes that will not be stored any more
  // Submitted and not yet completed.
  std::uint64_t waiting_bytes = 0;
  Duration oldest_waiting{};
  WallTime last_commit;  // the epoch: none yet
  // Of the commits made: how long each took, and how much it held.
  metrics::Distribution commit_seconds, batch_operations;
};

class Writer {
 public:
  virtual ~Writer() = default;
  // `home` must stay alive until done has run. `done` may be empty.
  [[nodiscard]] virtual bool submit(Operation operation, Executor& home, Committed done) = 0;
  // Any thread; each is one or two loads.
  virtual std::uint64_t unrecorded() const = 0;
  virtual WriterState state() const = 0;
  virtual WriterStats stats() const = 0;  // any thread; takes a lock
};

struct WriterSettings {
  std::size_t queue_bytes =
      256u << 20;  // bodies and records waiting for a commit; over it new mail is refused
  std::size_t batch_bytes = 32u << 20;   // one commit at most; more lengthens the wait of those in it
  std::size_t batch_operations = 10000;  // the same
  Duration linger = std::chrono::milliseconds(20);  // a batch nobody waits for, before its commit
  Duration full_pause = std::chrono::seconds(1);    // between two tries while the store takes nothing
  // Between the last commit and Store::sync(): with a store that leaves its last commits to that, a power cut
  // takes back as much.
  Duration sync_pause = std::chrono::seconds(1);
  // For the store at the end: a commit on a disk that hangs returns late or never.
  Duration stop_patience = std::chrono::seconds(30);
};

class ThreadWriter final : public Writer {
 public:
  // The ledger is told of every attempt whose outcome has been committed; it and a store given by reference
  // must outlive the writer. A store it shares may be waited for no longer than stop_patience. `probed` is
  // what a probe of the store has said just before.
  ThreadWriter(std::shared_ptr<Store> store, const WriterSettings& settings, InFlight* ledger = nullptr,
               const Result<void>& probed = {});
  ThreadWriter(Store& store, const WriterSettings& settings, InFlight* ledger = nullptr);
  ~ThreadWriter() override;  // stop()
  // Commits what was submitted and ends the thread; submit() no more. What could not be stored is logged.
  // False: a commit hangs in the store, so the thread was left behind with the store (never with one given by
  // reference: that is waited for); nobody is told of anything any more.
  bool stop();
  bool submit(Operation operation, Executor& home, Committed done) override;
  std::uint64_t unrecorded() const override;
  WriterState state() const override;
  WriterStats stats() const override;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace relay::spool
