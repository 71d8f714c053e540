// Signals: termination signals, and SIGHUP where it is asked for, as calls of functions on a thread of their
// own.
//
// Construct it in main before any other thread exists: SIGINT and SIGTERM are blocked then for every thread
// to come, and are read by the watcher's thread alone. `on_signal` gets the signal and how many have come
// (the first is 1); it runs on that thread and may block. So does `on_hangup`, for each SIGHUP; without it
// that signal does what it did. SIGPIPE is ignored from then on. The destructor ends the thread; the signals
// stay blocked.
#pragma once
#include <functional>
#include <thread>

#include "mta/base/result.h"

namespace relay {

class Signals {
 public:
  using OnSignal = std::move_only_function<void(int signal, int count)>;
  using OnHangup = std::move_only_function<void()>;
  explicit Signals(OnSignal on_signal, OnHangup on_hangup = nullptr);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  void watch();
  OnSignal on_signal_;
  OnHangup on_hangup_;
  int signals_ = -1;  // signalfd
  int wake_ = -1;     // eventfd
  std::thread thread_;
};

}  // namespace relay
