// SimLoop: a Loop on a virtual clock. Tasks posted and timers armed run in a fixed order: everything due now,
// in the order it was asked for; then the clock jumps to the next timer. Nothing waits, so hours pass in
// milliseconds, and the same calls give the same run. One thread; the seed of a run decides all else.
#pragma once
#include <deque>
#include <map>
#include <unordered_map>
#include <utility>

#include "mta/base/loop.h"

namespace relay::sim {

class SimLoop final : public Loop {
 public:
  void post(Task task) override { posted_.push_back(std::move(task)); }
  Instant now() const override { return now_; }
  WallTime wall() const override {
    return start_ + std::chrono::floor<std::chrono::milliseconds>(now_.time_since_epoch());
  }
  TimerId at(Instant when, Task task) override {
    const TimerId id{++last_};
    const Key key{std::max(when, now_), id.value};
    timers_.emplace(key, std::move(task));
    keys_.emplace(id.value, key);
    return id;
  }
  void cancel(TimerId id) override {
    const auto found = keys_.find(id.value);
    if (found == keys_.end()) return;
    timers_.erase(found->second);
    keys_.erase(found);
  }

  TimerId after(Duration pause, Task task) { return at(now_ + pause, std::move(task)); }

  // Runs until `until`, or until `enough` answers true. False: it came to `until`.
  template <class F>
  bool run_until(Instant until, F enough) {
    for (;;) {
      if (enough()) return true;
      if (!posted_.empty()) {
        Task task = std::move(posted_.front());
        posted_.pop_front();
        task();
        ++steps_;
      } else if (!timers_.empty() && timers_.begin()->first.first <= until) {
        auto node = timers_.extract(timers_.begin());
        keys_.erase(node.key().second);
        now_ = std::max(now_, node.key().first);
        node.mapped()();
        ++steps_;
      } else {
        if (until != never) now_ = std::max(now_, until);
        return false;
      }
    }
  }
  void run_for(Duration time) {
    run_until(now_ + time, [] { return false; });
  }
  // What a crash of the process does to everything that was to happen in it.
  void forget_all() {
    posted_.clear();
    timers_.clear();
    keys_.clear();
  }
  std::uint64_t steps() const { return steps_; }

 private:
  using Key = std::pair<Instant, std::uint64_t>;
  Instant now_{};
  WallTime start_{std::chrono::sys_days{std::chrono::year{2026} / 11 / 21}};
  std::uint64_t last_ = 0;
  std::uint64_t steps_ = 0;
  std::deque<Task> posted_;
  std::map<Key, Task> timers_;
  std::unordered_map<std::uint64_t, Key> keys_;
};

}  // namespace relay::sim
