#include "mta/queue/fair_order.h"

#include <algorithm>

#include "mta/base/result.h"

namespace relay::queue {
namespace {

constexpr std::uint64_t stride = 1u << 20;  // of weight 1: 2^44 turns before a sum could overflow

}  // namespace

void FairOrder::join(Slot member, std::uint32_t weight) {
  RELAY_ASSERT(weight > 0);
  if (contains(member)) return;
  // A stride from now, as if served in this moment: who leaves and comes back gains nothing by it.
  const std::uint64_t at = now_ + stride / weight;
  turns_.emplace(member, Turn{at, weight});
  order_.emplace(at, member);
  weight_ += weight;
}

void FairOrder::leave(Slot member) {
  const auto found = turns_.find(member);
  if (found == turns_.end()) return;
  order_.erase({found->second.at, member});
  weight_ -= found->second.weight;
  turns_.erase(found);
}

void FairOrder::served(Slot member) {
  Turn& turn = turns_.at(member);
  order_.erase({turn.at, member});
  now_ = std::max(now_, turn.at);
  turn.at = now_ + stride / turn.weight;
  order_.emplace(turn.at, member);
}

}  // namespace relay::queue
