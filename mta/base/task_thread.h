// TaskThread: an Executor with a thread of its own, for what may wait long, as for a disk, and nobody waits
// for. Tasks run one by one, in the order in which they came; the thread begins with the first. At the end
// those that are left run, and the destructor waits for them.
#pragma once
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "mta/base/loop.h"

namespace relay {

class TaskThread final : public Executor {
 public:
  TaskThread() = default;
  ~TaskThread() override;
  TaskThread(const TaskThread&) = delete;
  TaskThread& operator=(const TaskThread&) = delete;
  void post(Task task) override;

 private:
  void run();
  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<Task> tasks_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace relay
