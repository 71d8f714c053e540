#include "mta/queue/ready_mail.h"

#include <algorithm>

namespace relay::queue {

void ReadyMail::push_back(OpenRecipients& all, Slot recipient, std::uint32_t weight) {
  const Slot tenant = all.message_of(recipient).tenant;
  Lane& lane = lanes_[tenant];
  OpenRecipient& r = all[recipient];
  r.ready_next = no_slot;
  r.ready_previous = lane.last;
  (lane.last == no_slot ? lane.first : all[lane.last].ready_next) = recipient;
  lane.last = recipient;
  ++lane.size;
  ++size_;
  order_.join(tenant, weight);
}

void ReadyMail::unlink(OpenRecipients& all, Slot recipient) {
  const Slot tenant = all.message_of(recipient).tenant;
  const auto found = lanes_.find(tenant);
  Lane& lane = found->second;
  OpenRecipient& r = all[recipient];
  (r.ready_previous == no_slot ? lane.first : all[r.ready_previous].ready_next) = r.ready_next;
  (r.ready_next == no_slot ? lane.last : all[r.ready_next].ready_previous) = r.ready_previous;
  r.ready_next = r.ready_previous = no_slot;
  --size_;
  if (--lane.size > 0) return;
  lanes_.erase(found);
  order_.leave(tenant);
}

Slot ReadyMail::next() const { return first_of(order_.first()); }

void ReadyMail::served(Slot tenant) {
  if (order_.contains(tenant)) order_.served(tenant);
}

std::vector<Slot> ReadyMail::tenants() const {
  std::vector<Slot> tenants;
  for (const auto& [tenant, lane] : lanes_) tenants.push_back(tenant);
  std::ranges::sort(tenants);
  return tenants;
}

Slot ReadyMail::first_of(Slot tenant) const {
  const auto found = lanes_.find(tenant);
  return found == lanes_.end() ? no_slot : found->second.first;
}

std::uint32_t ReadyMail::ahead_of_newest(Slot tenant) const {
  const std::uint64_t own = lanes_.at(tenant).size;
  const std::uint64_t meanwhile = own * order_.weight() / order_.weight(tenant);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(meanwhile, size_) - 1);
}

std::uint32_t ReadyMail::transactions(OpenRecipients& all, std::uint32_t per_transaction,
                                      std::uint32_t at_most) const {
  std::uint32_t count = 0;
  for (const auto& [tenant, lane] : lanes_) {
    std::uint32_t in_run = 0;
    Slot message = no_slot;
    for (Slot at = lane.first; at != no_slot && count < at_most; at = all[at].ready_next) {
      if (all[at].message == message && ++in_run <= per_transaction) continue;
      message = all[at].message;
      in_run = 1;
      ++count;
    }
    if (count >= at_most) break;
  }
  return count;
}

}  // namespace relay::queue
