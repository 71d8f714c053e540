// ByteBudget: an amount of memory that many sessions, on any thread, hold shares of.
//
// The last quarter is kept for small shares, so that few large ones do not keep out the many that are small.
// No locks; a Share belongs to one thread at a time, and the budget outlives
// its shares.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

namespace relay {

class ByteBudget {
 public:
  // `on_pressed` is called when pressed() becomes true, on the thread that brought it about.
  explicit ByteBudget(std::uint64_t limit, std::function<void()> on_pressed = {})
      : limit_(limit), on_pressed_(std::move(on_pressed)) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  static constexpr std::uint64_t small = 256u << 10;  // most mail, attachments apart
  // What a single share can have at most.
  static constexpr std::uint64_t for_one(std::uint64_t limit) { return limit - limit / 4; }

  std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  std::uint64_t limit() const { return limit_; }
  // Whether a share of so many bytes would be given now.
  bool has_room(std::uint64_t bytes) const { return fits(used(), bytes, bytes); }
  // From the moment on that large shares find no room, until half of all is free.
  bool pressed() const { return pressed_.load(std::memory_order_relaxed); }

  class Share {
   public:
    explicit Share(ByteBudget* of) : of_(of) {}  // null: everything is given
    ~Share() { release(); }
    Share(Share&& other) noexcept : of_(other.of_), bytes_(std::exchange(other.bytes_, 0)) {}
    Share& operator=(Share&&) = delete;
    // False, and nothing changes, if there is no room.
    bool grow_to(std::uint64_t bytes);
    void release();
    std::uint64_t bytes() const { return bytes_; }

   private:
    ByteBudget* of_;
    std::uint64_t bytes_ = 0;
  };

 private:
  bool fits(std::uint64_t used, std::uint64_t more, std::uint64_t share) const;
  void press(std::uint64_t used);

  const std::uint64_t limit_;
  const std::function<void()> on_pressed_;
  std::atomic<std::uint64_t> used_{0};
  std::atomic<bool> pressed_{false};
};

}  // namespace relay
