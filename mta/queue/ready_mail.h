// ReadyMail: the recipients of one site that may be sent now. Each tenant's wait in a lane of their own,
// first come first served; the lanes take turns by their weights, so that neither another account's million
// nor an account's own bulk mail keeps its transactional mail waiting.
//
// Linked through the recipients themselves; only Scheduler::Impl::put adds and removes. One thread.
#pragma once
#include <unordered_map>
#include <vector>

#include "mta/queue/fair_order.h"
#include "mta/queue/open_recipients.h"

namespace relay::queue {

class ReadyMail {
 public:
  void push_back(OpenRecipients& all, Slot recipient, std::uint32_t weight);
  void unlink(OpenRecipients& all, Slot recipient);
  std::uint32_t size() const { return size_; }
  Slot next() const;         // whose turn it is; no_slot if none is ready
  void served(Slot tenant);  // a transaction of his begins; he may have no more
  std::vector<Slot> tenants() const;
  Slot first_of(Slot tenant) const;  // no_slot if none of his is ready
  // How many recipients will be sent before the tenant's newest, roughly.
  std::uint32_t ahead_of_newest(Slot tenant) const;
  // How many transactions of at most `per_transaction` recipients it holds, counted up to `at_most`.
  std::uint32_t transactions(OpenRecipients& all, std::uint32_t per_transaction, std::uint32_t at_most) const;

 private:
  struct Lane {
    Slot first = no_slot, last = no_slot;
    std::uint32_t size = 0;
  };
  std::unordered_map<Slot, Lane> lanes_;  // by tenant; none is empty
  FairOrder order_;                       // of the tenants in lanes_
  std::uint32_t size_ = 0;
};

}  // namespace relay::queue
