// Child: a program of the relay as a process of its own, its log read by a thread here.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace relay::bench {

using Steady = std::chrono::steady_clock;
double seconds_since(Steady::time_point start);

struct Memory {
  double resident = 0;   // all of it, MiB
  double anonymous = 0;  // the process's own; the rest are pages of files, the spool's first of all
};

class Child {
 public:
  explicit Child(const std::vector<std::string>& arguments);
  ~Child();  // SIGKILL, unless it has ended
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Seconds from its start until it logged a line with `text`; the benchmark ends if it never does.
  double wait_for(const std::string& text);
  // SIGTERM; seconds until it has ended.
  double stop();
  Memory memory() const;
  double cpu() const;  // seconds of processor time so far: what a busy machine does not falsify

 private:
  struct Line {
    double at;  // seconds after the start
    std::string text;
  };
  void read_log(int descriptor);

  pid_t pid_ = -1;
  bool running_ = true;
  Steady::time_point started_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Line> notable_;  // under the mutex: without the lines of deliveries
  bool ended_ = false;         // under the mutex: its log
  std::thread reader_;
};

[[noreturn]] void give_up(const std::string& why);

}  // namespace relay::bench
