// SessionCounts: how many connections a service has and has had. Written by its loop alone, read by any
// thread.
#pragma once
#include <atomic>
#include <cstdint>

namespace relay {

class SessionCounts {
 public:
  void begin() { bump(begun_); }
  void end() { bump(ended_); }
  void turn_away() { bump(turned_away_); }

  std::uint64_t total() const { return begun_.load(std::memory_order_relaxed); }
  std::uint64_t turned_away() const { return turned_away_.load(std::memory_order_relaxed); }
  std::uint64_t open() const {
    const std::uint64_t ended = ended_.load(std::memory_order_acquire);  // first: never more than have begun
    return total() - ended;
  }

 private:
  // No other thread writes, so nothing is locked.
  static void bump(std::atomic<std::uint64_t>& count) {
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  std::atomic<std::uint64_t> begun_{0}, ended_{0}, turned_away_{0};
};

}  // namespace relay
