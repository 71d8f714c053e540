// Dispatcher: hands recipients to the loops that own their sites. What add() gave it stays; all else may be
// called from any thread.
#pragma once
#include <memory>
#include <mutex>
#include <optional>
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

  // Until all that was queued has been restored control() waits, or it would miss some of it.
  void hold_commands();
  void take_commands();  // in the order they came
  // What the restoring has come to, when it has; zeros before.
  void restored(const spool::Claimed& claimed);
  spool::Claimed restored() const;
  // It never will be: what waits and what comes is answered with `why`.
  void refuse_commands(const Error& why);

 private:
  struct Shard {
    Executor* loop;
    Scheduler* scheduler;
  };
  struct Command {
    Control what;
    Selection which;
    Executor* home;
    std::move_only_function<void(Result<ControlResult>)> done;
  };
  void carry_out(Command command);
  static void refuse(Command command, const Error& why);
  const Router& router_;
  std::vector<Shard> shards_;
  mutable std::mutex mutex_;
  spool::Claimed claimed_;        // under the mutex
  bool holding_ = false;          // under the mutex
  std::optional<Error> refused_;  // the same
  std::vector<Command> held_;     // the same
};

}  // namespace relay::queue
