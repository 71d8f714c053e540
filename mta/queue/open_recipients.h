// OpenRecipients: what the scheduler knows of every open recipient of its sites, compactly. A recipient costs
// some 60 bytes here and 20 in the heap of due times, a message some 110. Changes of place go through
// Scheduler::Impl::put, which keeps heap and ready lists true. One thread.
#pragma once
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "mta/queue/slots.h"
#include "spool/types.h"

namespace relay::queue {

enum class Place : std::uint8_t { nowhere, waiting, ready, in_flight, held };

struct OpenRecipient {
  Slot message = no_slot;
  Slot domain = no_slot;
  std::uint32_t index = 0;     // in the envelope
  std::uint32_t attempts = 0;  // that were made
  Slot of_message_next = no_slot, of_message_previous = no_slot;
  Slot ready_next = no_slot, ready_previous = no_slot;
  Place place = Place::nowhere;
};

struct OpenMessage {
  MessageId id;
  WallTime since;            // Message::since()
  Slot first = no_slot;      // of its recipients
  std::uint32_t active = 0;  // recipients ready or in flight: the body may be wanted soon
  Slot tenant = no_slot;
};

// Whose mail it is, as far as sites and connections are shared: one account's mail of one stream.
struct Tenant {
  AccountId account;
  spool::Stream stream = spool::Stream::transactional;
  std::uint32_t messages = 0;  // open
};

struct OpenDomain {
  std::string name;
  Slot site = no_slot;
  std::uint32_t recipients = 0;
};

class OpenRecipients {
 public:
  // no_slot if it is there already. The domain must be there.
  struct Of {  // the message it is of
    MessageId id;
    WallTime since;
    AccountId account;
    spool::Stream stream = spool::Stream::transactional;
  };
  Slot add(const Of& message, std::uint32_t index, Slot domain, std::uint32_t attempts);
  // Forgets it and, with its last recipient, its message; the domain stays until forget_domain().
  void remove(Slot recipient);

  Slot find_domain(const std::string& name) const;
  Slot add_domain(const std::string& name, Slot site);
  void forget_domain(Slot domain);

  OpenRecipient& operator[](Slot recipient) { return recipients_[recipient]; }
  OpenMessage& message_of(Slot recipient) { return messages_[recipients_[recipient].message]; }
  const Tenant& tenant_of(Slot recipient) const {
    return tenants_[messages_[recipients_[recipient].message].tenant];
  }
  std::uint32_t active(Slot message) const { return messages_[message].active; }
  OpenDomain& domain_of(Slot recipient) { return domains_[recipients_[recipient].domain]; }
  RecipientRef ref(Slot recipient);
  std::size_t size() const { return recipients_.size(); }
  // Every recipient is in a slot less than slots(), but not every such slot is used.
  Slot slots() const { return recipients_.end(); }
  bool used(Slot recipient) const { return recipients_.used(recipient); }

  // `f` may remove the recipient it is given.
  template <class F>
  void for_each_of(const MessageId& id, F f) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return;
    for (Slot at = messages_[found->second].first; at != no_slot;) {
      const Slot next = recipients_[at].of_message_next;
      f(at);
      at = next;
    }
  }

 private:
  Slots<OpenRecipient> recipients_;
  Slots<OpenMessage> messages_;
  Slots<OpenDomain> domains_;
  Slots<Tenant> tenants_;
  std::unordered_map<MessageId, Slot> by_id_;
  std::unordered_map<std::string, Slot> by_domain_;
  std::map<std::pair<AccountId, spool::Stream>, Slot> by_tenant_;

  Slot tenant_for(const Of& message);
};

}  // namespace relay::queue
