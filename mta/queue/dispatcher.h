// Dispatcher: hands recipients to the loops that own their sites. What add() gave it stays; all else may be
// called from any thread.
#pragma once
#include <memory>
#include <mutex>
#include <vector>

#include "mta/queue/scheduler.h"

namespace relay::queue {

class Dispatcher {
 public:
  explicit Dispatcher(const Router& router) : router_(router) {}
  void add(Executor& loop, Scheduler& scheduler) {
    shards_.push_back({&loop, &scheduler});
  }  // before any other call

  void enqueue(const spool::MessagePtr& message);
  // Entries whose shard_of() is `shard`; `done` runs on its loop when they are in the queue.
  void restore(std::size_t shard, std::vector<spool::QueueEntry> entries, Task done) const;
  // Asks every shard and sums; `done` runs on `home`.
  void control(Control what, const Selection& which, Executor& home,
               std::move_only_function<void(Result<ControlResult>)> done);
  void stats(Executor& home, std::move_only_function<void(SchedulerStats)> done);
  std::size_t shard_of(std::string_view domain) const;
  std::size_t shards() const { return shards_.size(); }

  // Between these control() waits, because not all that is queued has been restored.
  void hold_commands();
  void take_commands();

 private:
  struct Shard {
    Executor* loop;
    Scheduler* scheduler;
  };
  const Router& router_;
  std::vector<Shard> shards_;
  std::mutex mutex_;
  bool holding_ = false;    // under the mutex
  std::vector<Task> held_;  // the same: commands
};

}  // namespace relay::queue
