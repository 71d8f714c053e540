// Mail for benchmarks: messages and outcomes as the relay makes them, and a thread that stands for its loop.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>

#include "mta/base/loop.h"
#include "mta/base/rng.h"
#include "spool/types.h"

namespace relay::bench {

// Makes messages. Bodies are shared, so that a message costs little to make. One thread.
class MailSource {
 public:
  explicit MailSource(std::size_t body_bytes);
  // One that stands for itself: its time is given, and so is its body.
  spool::MessagePtr make(WallTime at, BodyPtr body, std::size_t recipients);
  spool::MessagePtr next() { return make(system_wall(), body_, 1); }

 private:
  SeededRng rng_;
  BodyPtr body_;
};

spool::Attempted delivered(const RecipientRef& ref, WallTime at);
spool::Attempted deferred(const RecipientRef& ref, WallTime at);

// A thread that runs what is posted, as a loop does. Its destructor runs what was posted, then joins.
class Runner final : public Executor {
 public:
  Runner() : thread_([this] { run(); }) {}
  ~Runner() override;
  void post(Task task) override;

 private:
  void run();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  std::thread thread_;
};

}  // namespace relay::bench
