// SimWriter: the group-commit writer on the virtual clock. It applies batches to the real store after a
// pause, and can stop the world at a commit: before the batch is stored, or after it is stored and before
// anybody has been told. An operation nobody waits for lingers, as in ThreadWriter.
#pragma once
#include <vector>

#include "spool/writer.h"
#include "tests/sim/sim_loop.h"

namespace relay::sim {

class SimWriter final : public spool::Writer {
 public:
  enum class Crash { none, before_commit, after_commit };

  SimWriter(SimLoop& loop, spool::Store& store) : loop_(loop), store_(store) {}
  bool submit(spool::Operation operation, Executor& home, spool::Committed done) override;

  // Answers for each batch that is about to be committed, by its number from 1.
  std::function<Crash(std::uint64_t)> crash_at;
  bool crashed() const { return crashed_; }
  // From now on every commit fails for good, as after a failed sync.
  void fail_for_good() { failed_ = true; }
  std::uint64_t commits() const { return commits_; }
  std::uint64_t stale() const { return stale_; }

  spool::InFlight* in_flight = nullptr;  // told of outcomes committed
  Duration latency = std::chrono::milliseconds(3);
  Duration linger = std::chrono::milliseconds(20);

 private:
  struct Waiter {
    Executor* home;
    spool::Committed done;
  };
  void arm();
  void commit();
  void settle(const std::vector<spool::Operation>& stored);

  SimLoop& loop_;
  spool::Store& store_;
  std::vector<spool::Operation> operations_;
  std::vector<Waiter> waiters_;
  TimerId timer_;
  Instant commit_at_ = never;
  Instant busy_until_{};
  bool awaited_ = false;
  bool crashed_ = false;
  bool failed_ = false;
  std::uint64_t commits_ = 0;
  std::uint64_t stale_ = 0;
};

}  // namespace relay::sim
