// TestLoop: a Loop run by the test itself, on a clock that moves only when told. post() may come from other
// threads; everything else is the test's thread.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

#include "mta/base/loop.h"

namespace relay::test {

class TestLoop final : public Loop {
 public:
  void post(Task task) override {
    // Under the lock to the end: the test may destroy the loop as soon as it has seen the task.
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    posted_.notify_one();
  }
  Instant now() const override { return now_; }
  WallTime wall() const override { return wall_; }
  TimerId at(Instant when, Task task) override {
    timers_.emplace(std::pair(when, ++last_timer_), std::move(task));
    return {last_timer_};
  }
  void cancel(TimerId id) override {
    std::erase_if(timers_, [&](const auto& timer) { return timer.first.second == id.value; });
  }

  // Runs what is posted, and what that posts; how many tasks it was.
  int run() {
    int count = 0;
    for (Task task = take(); task; task = take(), ++count) task();
    return count;
  }
  // Runs and waits for other threads until `done` holds; false after a minute, which means that it hangs.
  bool run_until(const std::function<bool()>& done) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    for (;;) {
      run();
      if (done()) return true;
      std::unique_lock lock(mutex_);
      if (!posted_.wait_until(lock, limit, [this] { return !tasks_.empty(); })) return false;
    }
  }
  void advance(Duration by) {
    const Instant until = now_ + by;
    while (!timers_.empty() && timers_.begin()->first.first <= until) {
      auto timer = timers_.extract(timers_.begin());
      set(std::max(now_, timer.key().first));
      timer.mapped()();
    }
    set(until);
  }
  std::size_t timers() const { return timers_.size(); }

 private:
  Task take() {
    const std::lock_guard lock(mutex_);
    if (tasks_.empty()) return {};
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    return task;
  }
  void set(Instant to) {
    wall_ += std::chrono::duration_cast<std::chrono::milliseconds>(to - now_);
    now_ = to;
  }

  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<Task> tasks_;
  Instant now_{std::chrono::hours(1)};
  WallTime wall_{std::chrono::milliseconds(1'790'000'000'000)};  // 21 September 2026
  std::map<std::pair<Instant, std::uint64_t>, Task> timers_;
  std::uint64_t last_timer_ = 0;
};

}  // namespace relay::test
