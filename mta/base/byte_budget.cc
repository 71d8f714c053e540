#include "mta/base/byte_budget.h"

namespace relay {

bool ByteBudget::fits(std::uint64_t used, std::uint64_t more, std::uint64_t share) const {
  const std::uint64_t most = share > small ? for_one(limit_) : limit_;
  return more <= most && used <= most - more;
}

bool ByteBudget::Share::grow_to(std::uint64_t bytes) {
  if (of_ == nullptr || bytes <= bytes_) return true;
  const std::uint64_t more = bytes - bytes_;
  std::uint64_t used = of_->used();
  do {
    if (!of_->fits(used, more, bytes)) {
      of_->press(used);
      return false;
    }
  } while (!of_->used_.compare_exchange_weak(used, used + more, std::memory_order_relaxed));
  bytes_ = bytes;
  return true;
}

void ByteBudget::press(std::uint64_t used) {
  if (used <= limit_ / 2 || pressed_.exchange(true)) return;
  if (used_.load() <= limit_ / 2) {  // it has become free in this moment, and nobody may come to say so
    pressed_.store(false);
    return;
  }
  if (on_pressed_) on_pressed_();
}

void ByteBudget::Share::release() {
  const std::uint64_t bytes = std::exchange(bytes_, 0);
  if (of_ == nullptr || bytes == 0) return;
  const std::uint64_t left = of_->used_.fetch_sub(bytes) - bytes;
  if (left <= of_->limit_ / 2) of_->pressed_.store(false);
}

}  // namespace relay
