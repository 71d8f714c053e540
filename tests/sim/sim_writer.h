// SimWriter: ThreadWriter on the virtual clock. What is decided is the product's own spool::Committer; here
// is the waiting only: a batch is stored a while after it was begun, what comes meanwhile is in the next one,
// an operation nobody waits for lingers, outcomes that found no room are tried again after a pause, and a
// store that refuses mail is probed.
#pragma once
#include <deque>

#include "spool/committer.h"
#include "tests/sim/sim_loop.h"
#include "tests/sim/sim_store.h"

namespace relay::sim {

class SimWriter final : public spool::Writer {
 public:
  using Crash = sim::Crash;

  SimWriter(SimLoop& loop, SimStore& store, spool::InFlight* ledger, const spool::WriterSettings& settings)
      : loop_(loop), store_(store), ledger_(ledger), settings_(settings), committer_(store, settings) {}
  bool submit(spool::Operation operation, Executor& home, spool::Committed done) override;
  std::uint64_t unrecorded() const override { return unrecorded_; }
  spool::WriterState state() const override { return committer_.stats().state; }
  spool::WriterStats stats() const override;

  bool crashed() const { return store_.crashed(); }
  // From now on every commit fails for good, as after a failed sync.
  void fail_for_good() {
    store_.disk = [] { return Disk::failing; };
  }
  // What the end of the process does when it has time: everything is committed or fails.
  void finish();
  bool quiet() const { return !busy_ && queue_.empty() && committer_.idle(); }

  std::function<Duration()> commit_time = [] { return std::chrono::milliseconds(3); };  // of each

 private:
  void arm();
  void begin();
  void end();
  void keep_probing();

  SimLoop& loop_;
  SimStore& store_;
  spool::InFlight* ledger_;
  const spool::WriterSettings settings_;
  spool::Committer committer_;
  std::deque<spool::Submitted> queue_;
  std::size_t bytes_ = 0;
  std::uint64_t unrecorded_ = 0;
  TimerId timer_;
  TimerId probe_timer_;
  bool probing_ = false;
  Instant begin_at_ = never;
  bool awaited_ = false;
  bool busy_ = false;
};

}  // namespace relay::sim
