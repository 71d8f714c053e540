// Committer: what a writer does with the operations submitted to it, all but the waiting. ThreadWriter runs
// it on a thread and tests/sim on a virtual clock, so both decide the same. It cuts batches, takes apart one
// the store cannot take now, keeps its outcomes until it can, and after a final error stores nothing more.
//
// Not synchronized: one thread at a time, the one that may call Store::apply.
#pragma once
#include <deque>
#include <span>
#include <utility>
#include <vector>

#include "spool/in_flight.h"
#include "spool/writer.h"

namespace relay::spool {

// Who is told about an operation, and what it holds of the writer's bound meanwhile.
struct Waiter {
  Executor* home;
  Committed done;  // may be empty: nobody waits
  std::size_t bytes;
  Instant since{};  // submitted
};

struct Submitted {
  Operation operation;
  Waiter waiter;
};

// Attempted and SetStatus: not refused for want of room.
bool is_outcome(const Operation& operation);
// Attempted: counted until it is stored.
bool is_attempt(const Operation& operation);
// What an operation takes in memory and in a commit, roughly, in bytes.
std::size_t cost(const Operation& operation);

// Says that an outcome will not be stored, with what it concerns.
void log_lost(const RecipientRef& ref, Status outcome, std::string_view why);

// What a batch has come to.
class Completions {
 public:
  void add(Waiter& waiter, const Result<void>& result);
  void add_recorded(const Operation& operation, bool settled);
  std::size_t bytes() const { return bytes_; }          // to be given back to the writer's bound
  std::uint64_t recorded() const { return recorded_; }  // attempts that count as unrecorded no more
  // Tells those who wait, once for each executor and in order of submission; then the ledger, for which
  // nobody waits, if there is one.
  void post(InFlight* ledger);

 private:
  struct Call {
    Committed done;
    Result<void> result;
  };
  std::vector<Call>& group(Executor* home);
  std::vector<std::pair<Executor*, std::vector<Call>>> groups_;
  std::vector<Ticket> settled_;
  std::size_t bytes_ = 0;
  std::uint64_t recorded_ = 0;
};

class Committer {
 public:
  Committer(Store& store, const WriterSettings& settings);

  void take(std::deque<Submitted>& submitted);  // all, behind what waits already
  bool idle() const { return backlog_.empty(); }
  Instant oldest() const { return idle() ? never : backlog_.front().waiter.since; }
  // The store could not take outcomes: commit() again after settings.full_pause, whatever else comes.
  bool stuck() const { return stuck_; }
  // One batch of what waits. `last`: outcomes the store cannot take fail and are not kept.
  Completions commit(bool last);
  // New mail was refused for a reason that may pass: probe() every settings.full_pause, so that it is known
  // when it has, even if nobody sends.
  bool refusing() const {
    return stats_.state != WriterState::accepting && stats_.state != WriterState::failed;
  }
  void probe();
  void heed(const Result<void>& probed);  // what a probe has said
  // Commits were made that the store has not been told to sync.
  bool unsynced() const { return unsynced_; }
  void sync();
  const WriterStats& stats() const { return stats_; }  // what the committer knows of them

 private:
  struct Batch {
    std::vector<Operation> operations;
    std::vector<Waiter> waiters;  // of each
  };
  Batch cut();
  // Of operations that were stored: those that failed alone.
  using Stored = Result<std::vector<FailedOperation>>;
  Stored apply(std::span<const Operation> some, Completions& completions);
  void count(const Applied& applied, std::span<const Operation> stored, Completions& completions);
  void not_now(Batch batch, const Error& why, bool last, Completions& completions);
  void refuse_what_waits(const Result<void>& refused, Completions& completions);
  void taken(bool new_mail);
  void not_taken(const Error& error, bool final);
  void count_damage(const Applied& applied, std::span<const Operation> batch, Completions& completions);
  void lose(std::span<const Operation> operations, const Error& why);

  Store& store_;
  const WriterSettings settings_;
  std::deque<Submitted> backlog_;
  bool stuck_ = false;
  bool unsynced_ = false;
  Result<void> final_error_;    // once set, nothing is stored any more
  std::uint64_t wanted_bytes_;  // that new mail is taken again with
  WriterStats stats_;
};

}  // namespace relay::spool
