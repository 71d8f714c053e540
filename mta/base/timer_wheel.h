// TimerWheel: many timers, each armed and cancelled in constant time, on a clock that is moved by hand.
//
// A hierarchy of wheels of 64 slots: the first has one slot a tick (about 4.2 ms), each further one covers a
// slot of its own by one turn of the wheel before it; an entry comes down a wheel when its slot begins. A
// task never fires before its time, and at most one tick after it as long as advance() is called by then.
// Tasks fire in the order of their ticks, those of one tick in the order they were armed. Not thread-safe.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "mta/base/loop.h"

namespace relay {

class TimerWheel {
 public:
  explicit TimerWheel(Instant start);

  TimerId add(Instant when, Task task);
  bool cancel(TimerId id);  // false: it has fired, was cancelled, or never was
  // No task is due before this; advance() should be called then. `never` without timers.
  Instant next() const;
  // Moves to `now` and runs what is due. A task armed by one of these tasks waits for the next call.
  void advance(Instant now);
  std::size_t size() const { return size_; }

  static constexpr int tick_shift = 22;  // a tick is 2^22 ns: within Loop's promise of 10 ms

 private:
  static constexpr int level_shift = 6;
  static constexpr int slots = 1 << level_shift;
  static constexpr int levels = 7;  // 2^(6*7+22) ns: the whole range of Instant
  static constexpr std::uint32_t none = UINT32_MAX;
  static constexpr std::uint32_t firing = levels * slots;  // the list of what is due in this advance()

  struct Entry {
    Task task;
    std::uint64_t tick = 0;
    std::uint32_t previous = none;
    std::uint32_t following = none;
    std::uint32_t generation = 1;
    std::uint32_t list = none;  // none: free
  };
  struct List {
    std::uint32_t first = none;
    std::uint32_t last = none;
  };
  struct Slot {
    int level = 0;
    std::uint64_t tick = 0;  // at which it begins
    std::uint32_t list = 0;
  };

  std::optional<Slot> earliest() const;
  void place(std::uint32_t index);
  void link(std::uint32_t index, std::uint32_t list);
  void unlink(std::uint32_t index);
  void collect_due(std::uint64_t now_tick);
  Task release(std::uint32_t index);

  std::vector<Entry> entries_;
  std::vector<std::uint32_t> free_;
  std::array<List, levels * slots + 1> lists_{};
  std::array<std::uint64_t, levels> occupied_{};  // one bit a slot
  std::uint64_t now_tick_;
  std::size_t size_ = 0;
};

}  // namespace relay
