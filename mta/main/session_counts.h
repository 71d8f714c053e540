// SessionCounts: how many connections a service has and has had, and why it took others not. Written by its
// loop alone, read by any thread.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace relay {

enum class TurnedAway : std::uint8_t {
  connections,  // all places are taken
  address,      // all that one address may have
  key,          // all that one API key may have
  descriptors,  // the process has no descriptor left
  proxy,        // a balancer's without a good PROXY header
  stopping,     // the relay ends
};
inline constexpr std::size_t turned_away_reasons = 6;

constexpr std::string_view text(TurnedAway reason) {
  constexpr std::array<std::string_view, turned_away_reasons> names{"connections", "address", "key",
                                                                    "descriptors", "proxy",   "stopping"};
  return names[static_cast<std::size_t>(reason)];
}

class SessionCounts {
 public:
  void begin() { bump(begun_); }
  void end() { bump(ended_); }
  void turn_away(TurnedAway reason) { bump(turned_away_[static_cast<std::size_t>(reason)]); }

  std::uint64_t total() const { return begun_.load(std::memory_order_relaxed); }
  std::uint64_t turned_away(TurnedAway reason) const {
    return turned_away_[static_cast<std::size_t>(reason)].load(std::memory_order_relaxed);
  }
  std::uint64_t open() const {
    const std::uint64_t ended = ended_.load(std::memory_order_acquire);  // first: never more than have begun
    return total() - ended;
  }

 private:
  // No other thread writes, so nothing is locked.
  static void bump(std::atomic<std::uint64_t>& count) {
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  std::atomic<std::uint64_t> begun_{0}, ended_{0};
  std::array<std::atomic<std::uint64_t>, turned_away_reasons> turned_away_{};
};

}  // namespace relay
