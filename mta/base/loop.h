// The two ports through which everything above the network sees time and threads.
//
// Executor: where a function is to run. `post` may be called from any thread, never runs the function inside
// the call, and keeps the order of calls from one thread. Loop: one thread of the relay, with its clocks and
// timers. Everything but `post` is called on that thread only. Timers are cheap (a wheel; no system call
// each) and are named by ids: cancelling one that has fired or was cancelled does nothing. A callback may
// arm, cancel and post, and may destroy its owner. Implementations: net::UvLoop, and tests/sim's SimLoop on a
// virtual clock.
#pragma once
#include <cstdint>
#include <functional>

#include "mta/base/clock.h"

namespace relay {

using Task = std::move_only_function<void()>;

class Executor {
 public:
  virtual ~Executor() = default;
  virtual void post(Task task) = 0;
};

struct TimerId {
  std::uint64_t value = 0;  // 0 names no timer
  friend bool operator==(TimerId, TimerId) = default;
};

class Loop : public Executor {
 public:
  virtual Instant now() const = 0;  // as of this turn of the loop
  virtual WallTime wall() const = 0;
  virtual TimerId at(Instant when, Task task) = 0;  // fires at `when` or within 10 ms after it
  virtual void cancel(TimerId id) = 0;
};

}  // namespace relay
