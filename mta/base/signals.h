// Signals: termination signals as calls of a function, on a thread of their own.
//
// Construct it in main before any other thread exists: SIGINT and SIGTERM are blocked then for every thread
// to come, and are read by the watcher's thread alone. `on_signal` gets the signal and how many have come
// (the first is 1); it runs on that thread and may block. SIGPIPE is ignored from then on. The destructor
// ends the thread; the signals stay blocked.
#pragma once
#include <functional>
#include <thread>

#include "mta/base/result.h"

namespace relay {

class Signals {
 public:
  using OnSignal = std::move_only_function<void(int signal, int count)>;
  explicit Signals(OnSignal on_signal);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  void watch();
  OnSignal on_signal_;
  int signals_ = -1;  // signalfd
  int wake_ = -1;     // eventfd
  std::thread thread_;
};

}  // namespace relay
