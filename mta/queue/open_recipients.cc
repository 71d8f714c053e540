#include "mta/queue/open_recipients.h"

namespace relay::queue {

Slot OpenRecipients::tenant_for(const Of& of) {
  auto [entry, fresh] = by_tenant_.try_emplace({of.account, of.stream}, no_slot);
  if (fresh) entry->second = tenants_.add({of.account, of.stream, 0});
  ++tenants_[entry->second].messages;
  return entry->second;
}

Slot OpenRecipients::add(const Of& of, std::uint32_t index, Slot domain, std::uint32_t attempts) {
  auto [entry, fresh] = by_id_.try_emplace(of.id, no_slot);
  if (fresh) entry->second = messages_.add({of.id, of.since, no_slot, 0, tenant_for(of)});
  OpenMessage& message = messages_[entry->second];
  for (Slot at = message.first; at != no_slot; at = recipients_[at].of_message_next)
    if (recipients_[at].index == index) return no_slot;
  OpenRecipient recipient;
  recipient.message = entry->second;
  recipient.domain = domain;
  recipient.index = index;
  recipient.attempts = attempts;
  recipient.of_message_next = message.first;
  const Slot slot = recipients_.add(recipient);
  if (message.first != no_slot) recipients_[message.first].of_message_previous = slot;
  message.first = slot;
  ++domains_[domain].recipients;
  return slot;
}

void OpenRecipients::remove(Slot slot) {
  const OpenRecipient gone = recipients_[slot];
  OpenMessage& message = messages_[gone.message];
  if (gone.of_message_previous == no_slot)
    message.first = gone.of_message_next;
  else
    recipients_[gone.of_message_previous].of_message_next = gone.of_message_next;
  if (gone.of_message_next != no_slot)
    recipients_[gone.of_message_next].of_message_previous = gone.of_message_previous;
  --domains_[gone.domain].recipients;
  recipients_.remove(slot);
  if (message.first != no_slot) return;
  if (Tenant& tenant = tenants_[message.tenant]; --tenant.messages == 0) {
    by_tenant_.erase({tenant.account, tenant.stream});
    tenants_.remove(message.tenant);
  }
  by_id_.erase(message.id);
  messages_.remove(gone.message);
}

Slot OpenRecipients::find_domain(const std::string& name) const {
  const auto found = by_domain_.find(name);
  return found == by_domain_.end() ? no_slot : found->second;
}

Slot OpenRecipients::add_domain(const std::string& name, Slot site) {
  const Slot slot = domains_.add({name, site, 0});
  by_domain_.emplace(name, slot);
  return slot;
}

void OpenRecipients::forget_domain(Slot domain) {
  RELAY_ASSERT(domains_[domain].recipients == 0);
  by_domain_.erase(domains_[domain].name);
  domains_.remove(domain);
}

RecipientRef OpenRecipients::ref(Slot recipient) {
  return {message_of(recipient).id, recipients_[recipient].index};
}

}  // namespace relay::queue
