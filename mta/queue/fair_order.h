// FairOrder: whose turn it is, among those who wait, by their weights (stride scheduling). Who has twice the
// weight of another is served twice as often as long as both wait; who comes anew is neither punished nor
// rewarded for the time that he was away. Members are numbers of the owner's. O(log n) each. One thread.
#pragma once
#include <cstdint>
#include <set>
#include <unordered_map>
#include <utility>

#include "mta/queue/slots.h"

namespace relay::queue {

class FairOrder {
 public:
  // Nothing if it is there already.
  void join(Slot member, std::uint32_t weight);
  void leave(Slot member);  // nothing if it is not there
  Slot first() const { return order_.empty() ? no_slot : order_.begin()->second; }
  void served(Slot member);  // once; of a member that is there
  bool contains(Slot member) const { return turns_.contains(member); }
  std::size_t size() const { return turns_.size(); }
  std::uint64_t weight() const { return weight_; }  // of all together
  std::uint32_t weight(Slot member) const { return turns_.at(member).weight; }

 private:
  struct Turn {
    std::uint64_t at = 0;
    std::uint32_t weight = 1;
  };
  std::unordered_map<Slot, Turn> turns_;
  std::set<std::pair<std::uint64_t, Slot>> order_;  // by Turn::at
  std::uint64_t now_ = 0;                           // the turn of the member served last
  std::uint64_t weight_ = 0;
};

}  // namespace relay::queue
