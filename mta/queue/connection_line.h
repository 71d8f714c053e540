// ConnectionLine: sites that wait for a connection, the loop's limit being reached. The tenants whose mail it
// is take turns by their weights, so that one with mail for thousands of sites does not keep others waiting;
// each tenant's sites are served in the order they came.
//
// A site may stand in it more than once, for several tenants; who takes it out sees whether it still wants a
// connection. One thread.
#pragma once
#include <deque>
#include <unordered_map>

#include "mta/queue/fair_order.h"

namespace relay::queue {

class ConnectionLine {
 public:
  bool empty() const { return lanes_.empty(); }
  void push_back(Slot tenant, std::uint32_t weight, Handle site) {
    lanes_[tenant].push_back(site);
    order_.join(tenant, weight);
  }
  struct Place {
    Slot tenant = no_slot;
    Handle site;
  };
  // Whose turn it is: of a line that is not empty.
  Place take() {
    const Slot tenant = order_.first();
    const auto lane = lanes_.find(tenant);
    const Place place{tenant, lane->second.front()};
    lane->second.pop_front();
    order_.served(tenant);
    if (!lane->second.empty()) return place;
    lanes_.erase(lane);
    order_.leave(tenant);
    return place;
  }

 private:
  std::unordered_map<Slot, std::deque<Handle>> lanes_;  // by tenant; none is empty
  FairOrder order_;
};

}  // namespace relay::queue
