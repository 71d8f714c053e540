// What the writer's tests stand on: executors and a store in the hand of the test.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "spool/writer.h"
#include "tests/unit/spool/null_store.h"
#include "tests/unit/spool/support.h"

namespace relay::spool::test {

// Keeps what is posted until the test runs it.
class Home final : public Executor {
 public:
  void post(Task task) override {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    ++posts_;
    changed_.notify_all();
  }
  // Runs tasks as they come until `done` holds.
  template <class Done>
  void run_until(Done done) {
    while (!done()) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !tasks_.empty(); });
      Task task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
    }
  }
  void run() {
    run_until([this] {
      const std::lock_guard lock(mutex_);
      return tasks_.empty();
    });
  }
  std::size_t posts() const {
    const std::lock_guard lock(mutex_);
    return posts_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  std::size_t posts_ = 0;
};

// Records the batches it is given; holds a batch back while closed; answers as told.
class FakeStore final : public NullStore {
 public:
  using Answer = std::function<Result<Applied>(std::span<const Operation>)>;

  Result<Applied> apply(std::span<const Operation> batch) override {
    std::unique_lock lock(mutex_);
    batches_.emplace_back();
    for (const auto& operation : batch) batches_.back().push_back(number_of(operation));
    ++entered_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    return answer_ ? answer_(batch) : Applied{};
  }
  Result<void> probe(std::uint64_t bytes) override {
    const std::lock_guard lock(mutex_);
    ++probes_;
    probed_bytes_.push_back(bytes);
    changed_.notify_all();
    return probe_ ? probe_() : Result<void>();
  }
  Result<void> sync() override {
    const std::lock_guard lock(mutex_);
    synced_after_.push_back(entered_);
    changed_.notify_all();
    return sync_ ? sync_() : Result<void>();
  }
  void close() {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void answer(Answer answer) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
  }
  void answer_probes(std::function<Result<void>()> probe) {
    const std::lock_guard lock(mutex_);
    probe_ = std::move(probe);
  }
  void wait_for_probe(std::size_t number) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return probes_ >= number; });
  }
  std::vector<std::uint64_t> probed_bytes() const {
    const std::lock_guard lock(mutex_);
    return probed_bytes_;
  }
  void answer_syncs(std::function<Result<void>()> sync) {
    const std::lock_guard lock(mutex_);
    sync_ = std::move(sync);
  }
  // How many batches there were at each sync, once there were so many syncs.
  std::vector<std::size_t> wait_for_sync(std::size_t number) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return synced_after_.size() >= number; });
    return synced_after_;
  }
  void wait_for_batch(std::size_t number) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return entered_ >= number; });
  }
  std::vector<std::vector<std::uint32_t>> batches() const {
    const std::lock_guard lock(mutex_);
    return batches_;
  }

 private:
  static std::uint32_t number_of(const Operation& operation) {
    const auto seconds = [](const MessageId& m) {
      return static_cast<std::uint32_t>(m.time().time_since_epoch().count() / 1000);
    };
    if (const auto* o = std::get_if<Accept>(&operation)) return seconds(o->message->id);
    if (const auto* o = std::get_if<Attempted>(&operation)) return seconds(o->ref.message);
    if (const auto* o = std::get_if<SetStatus>(&operation)) return seconds(o->ref.message);
    return 0;
  }
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  std::size_t entered_ = 0;
  std::size_t probes_ = 0;
  std::vector<std::uint64_t> probed_bytes_;
  std::function<Result<void>()> probe_, sync_;
  std::vector<std::size_t> synced_after_;
  Answer answer_;
  std::vector<std::vector<std::uint32_t>> batches_;
};

inline bool has_new_mail(std::span<const Operation> batch) {
  for (const auto& operation : batch)
    if (std::holds_alternative<Accept>(operation)) return true;
  return false;
}

inline Accept mail(std::uint32_t number, std::size_t bytes = 10) {
  return accept({.number = number, .content = std::string(bytes, 'x')});
}
inline Attempted outcome(std::uint32_t number) { return attempted({id(number), 0}, Status::delivered); }

// What completions have said, in their order.
struct Heard {
  std::vector<std::pair<std::uint32_t, std::optional<Errc>>> all;
  Committed as(std::uint32_t number) {
    return [this, number](const Result<void>& r) {
      all.push_back({number, r ? std::nullopt : std::optional(r.error().code)});
    };
  }
};
using Said = std::vector<std::pair<std::uint32_t, std::optional<Errc>>>;
inline constexpr std::nullopt_t ok = std::nullopt;

inline WriterSettings quick() {
  WriterSettings s;
  s.full_pause = std::chrono::milliseconds(1);
  return s;
}

}  // namespace relay::spool::test
