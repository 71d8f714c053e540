#include "mta/queue/dispatcher.h"

#include <map>

#include "mta/base/log.h"

namespace relay::queue {
namespace {

// Answers of all shards; touched on the caller's loop only.
struct Sum {
  std::size_t left = 0;
  ControlResult result;
  std::optional<Error> error;
  std::move_only_function<void(Result<ControlResult>)> done;
};
struct StatsSum {
  std::size_t left = 0;
  SchedulerStats stats;
  std::move_only_function<void(SchedulerStats)> done;
};

void add_up(SchedulerStats& to, const SchedulerStats& one) {
  to.open += one.open;
  to.ready += one.ready;
  to.in_flight += one.in_flight;
  to.held += one.held;
  to.connections += one.connections;
  to.delivered += one.delivered;
  to.deferred += one.deferred;
  to.failed += one.failed;
  to.in_doubt += one.in_doubt;
  to.body_bytes += one.body_bytes;
  to.most_body_bytes += one.most_body_bytes;
}

}  // namespace

std::size_t Dispatcher::shard_of(std::string_view domain) const {
  return std::hash<std::string>()(router_.route(domain).site) % shards_.size();
}

void Dispatcher::enqueue(const spool::MessagePtr& message) {
  std::map<std::size_t, std::vector<std::uint32_t>> parts;
  const auto& recipients = message->envelope.recipients;
  for (std::uint32_t i = 0; i < recipients.size(); ++i)
    parts[shard_of(wire::domain_of(recipients[i].address))].push_back(i);
  for (auto& [shard, indices] : parts)
    shards_[shard].loop->post([scheduler = shards_[shard].scheduler, message, part = std::move(indices)] {
      scheduler->enqueue(message, part);
    });
}

void Dispatcher::restore(std::size_t shard, std::vector<spool::QueueEntry> entries, Task done) const {
  const Shard& to = shards_[shard];
  to.loop->post([scheduler = to.scheduler, some = std::move(entries), done = std::move(done)]() mutable {
    scheduler->restore(some);
    done();
  });
}

void Dispatcher::hold_commands() {
  const std::lock_guard lock(mutex_);
  holding_ = true;
}

void Dispatcher::take_commands() {
  for (;;) {
    std::vector<Command> held;
    {
      const std::lock_guard lock(mutex_);
      if (held_.empty()) {
        holding_ = false;
        return;
      }
      held.swap(held_);
    }
    for (Command& command : held) carry_out(std::move(command));
  }
}

void Dispatcher::restored(const spool::Claimed& claimed) {
  const std::lock_guard lock(mutex_);
  claimed_ = claimed;
}

spool::Claimed Dispatcher::restored() const {
  const std::lock_guard lock(mutex_);
  return claimed_;
}

void Dispatcher::refuse_commands(const Error& why) {
  std::vector<Command> held;
  {
    const std::lock_guard lock(mutex_);
    refused_ = why;
    held.swap(held_);
  }
  for (Command& command : held) refuse(std::move(command), why);
}

void Dispatcher::refuse(Command command, const Error& why) {
  command.home->post(
      [done = std::move(command.done), why]() mutable { done(std::unexpected(std::move(why))); });
}

void Dispatcher::control(Control what, const Selection& which, Executor& home,
                         std::move_only_function<void(Result<ControlResult>)> done) {
  Command command{what, which, &home, std::move(done)};
  {
    const std::lock_guard lock(mutex_);
    if (refused_) return refuse(std::move(command), *refused_);
    if (holding_) return held_.push_back(std::move(command));
  }
  carry_out(std::move(command));
}

void Dispatcher::carry_out(Command command) {
  auto sum = std::make_shared<Sum>();
  sum->left = shards_.size();
  sum->done = std::move(command.done);
  for (const Shard& shard : shards_) {
    auto add_one = [sum, home = command.home](Result<ControlResult> one) {
      home->post([sum, one = std::move(one)] {
        if (!one) {
          sum->error = one.error();
        } else {
          sum->result.changed += one->changed;
          sum->result.in_flight += one->in_flight;
          sum->result.damaged += one->damaged;
        }
        if (--sum->left > 0) return;
        if (sum->error)
          sum->done(std::unexpected(*sum->error));
        else
          sum->done(sum->result);
      });
    };
    shard.loop->post(
        [scheduler = shard.scheduler, what = command.what, which = command.which,
         answer = std::move(add_one)]() mutable { scheduler->control(what, which, std::move(answer)); });
  }
}

void Dispatcher::stats(Executor& home, std::move_only_function<void(SchedulerStats)> done) {
  auto sum = std::make_shared<StatsSum>();
  sum->left = shards_.size();
  sum->done = std::move(done);
  for (const Shard& shard : shards_)
    shard.loop->post([scheduler = shard.scheduler, sum, &home] {
      home.post([sum, one = scheduler->stats()] {
        add_up(sum->stats, one);
        if (--sum->left == 0) sum->done(sum->stats);
      });
    });
}

}  // namespace relay::queue
