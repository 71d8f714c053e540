// Admission: how many sessions a service has at once, over all loops together: in all, of one client address
// and of one API key; and how much memory the content has that they are sending. What there is no room for is
// refused before it costs anything.
//
// A Place counts one session for as long as it exists; a session keeps it until its socket is closed. Every
// function may be called from any thread; one short lock for an address or key, none for the rest. Bounded:
// an address or key is known only while a Place has it. An Admission outlives its Places.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mta/base/byte_budget.h"

namespace relay {

struct AdmissionLimits {
  // Each costs a descriptor and memory: a hundred KiB after TLS, at most.
  std::uint32_t sessions = 5000;
  // From one IPv4 address or IPv6 /64, which is what one customer has. One client must not take every place;
  // a host of many PHP workers, each with a connection of its own, must not be hit: they have 50 to 200.
  std::uint32_t per_address = 500;  // 0: no limit
  // Per cent of `sessions` from which on they are pressed, and below which no more: two, so that it does not
  // change with each connection.
  std::uint32_t pressed_from = 90;
  std::uint32_t pressed_until = 80;
  // Bytes of content under way, from its first byte until it is handed over. Slow clients with large messages
  // must not take all memory: 5,000 sessions could send 250 GB.
  std::uint64_t content_bytes = 256u << 20;
};

class Admission {
 public:
  explicit Admission(AdmissionLimits limits)
      : limits_(limits), content_(limits.content_bytes, [this] { tell(); }) {}
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  class Place {
   public:
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    // Once the client is known. False, and nothing changes, if its address has all the sessions it may have.
    // What is no IP address has no limit.
    bool take_address(std::string_view address);
    // When the client has authenticated, again if it does so again. False, and nothing changes, if the key
    // has `limit` sessions besides this one; 0 is no limit.
    bool take_key(const std::string& key, std::uint32_t limit);

   private:
    friend class Admission;
    explicit Place(Admission& of) : of_(of) {}
    Admission& of_;
    std::string address_, key_;  // as counted; empty: not counted
  };

  // Null if all places are taken.
  std::unique_ptr<Place> enter();
  std::uint32_t sessions() const { return sessions_.load(std::memory_order_relaxed); }
  // Sessions are near their limit: those there are should not be waited for as long as usual.
  bool pressed() const { return pressed_.load(std::memory_order_relaxed); }
  ByteBudget& content() { return content_; }
  const ByteBudget& content() const { return content_; }
  // `told` is called when pressed() or content().pressed() has become true, on the thread that brought it
  // about. Before any enter().
  void on_pressed(std::function<void()> told) { told_.push_back(std::move(told)); }
  const AdmissionLimits& limits() const { return limits_; }

 private:
  // Sessions by name of one kind.
  class Counts {
   public:
    bool add(const std::string& name, std::uint32_t limit);
    void remove(const std::string& name);

   private:
    std::mutex mutex_;
    std::unordered_map<std::string, std::uint32_t> counts_;
  };
  void leave();
  void tell() const;

  const AdmissionLimits limits_;
  std::vector<std::function<void()>> told_;
  std::atomic<std::uint32_t> sessions_{0};
  std::atomic<bool> pressed_{false};
  Counts addresses_, keys_;
  ByteBudget content_;
};

}  // namespace relay
