// Dispatcher: hands recipients to the loops that own their sites. Immutable after construction but for add();
// enqueue(), restore(), control() and stats() may be called from any thread.
#pragma once
#include <memory>
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
  void restore(spool::QueueEntry entry);
  // Asks every shard and sums; `done` runs on `home`.
  void control(Control what, const Selection& which, Executor& home,
               std::move_only_function<void(Result<ControlResult>)> done);
  void stats(Executor& home, std::move_only_function<void(SchedulerStats)> done);
  std::size_t shard_of(std::string_view domain) const;

 private:
  struct Shard {
    Executor* loop;
    Scheduler* scheduler;
  };
  const Router& router_;
  std::vector<Shard> shards_;
};

}  // namespace relay::queue
