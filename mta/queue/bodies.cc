#include "mta/queue/bodies.h"

#include <algorithm>
#include <bit>

namespace relay::queue {

std::uint64_t Bodies::weight(const spool::Message& message) {
  constexpr std::uint64_t flat = 512;
  constexpr std::uint64_t per_recipient = 104;
  constexpr std::uint64_t per_metadata = 64;
  std::uint64_t said = message.idempotency_key.size();
  for (const auto& [name, value] : message.metadata) said += per_metadata + name.size() + value.size();
  for (const auto& recipient : message.envelope.recipients) said += recipient.original.size();
  return flat + per_recipient * message.envelope.recipients.size() + said +
         (message.body ? message.body->size() : 0);
}

std::uint64_t Bodies::order_of(std::uint32_t ahead) {
  constexpr int arrival_bits = 56;
  return static_cast<std::uint64_t>(std::bit_width(ahead)) << arrival_bits | ++arrivals_;
}

void Bodies::keep(Slot message, Slot site, const spool::MessagePtr& content, std::uint32_t ahead) {
  if (!content->body || by_message_.contains(message)) return;
  const std::uint64_t bytes = weight(*content), order = order_of(ahead);
  if (bytes_ - kept_bytes_ + bytes > limit_) return;
  make_room(bytes, order);
  if (bytes_ + bytes > limit_) return;
  const Slot slot = add(message);
  bodies_[slot].content = content;
  bodies_[slot].site = site;
  count(bodies_[slot], bytes);
  hold(slot, order);
}

void Bodies::drop(Slot message) {
  const auto found = by_message_.find(message);
  if (found == by_message_.end()) return;
  const Slot slot = found->second;
  by_message_.erase(found);
  Body& body = bodies_[slot];
  body.message = no_slot;
  if (body.users == 0 && !body.reserved) forget(slot);
}

void Bodies::drop_kept_for(Slot site) {
  for (auto at = kept_by_site_.lower_bound({site, 0}); at != kept_by_site_.end() && at->first == site;) {
    const Slot slot = (at++)->second;
    forget(slot);
  }
}

spool::MessagePtr Bodies::peek(Slot message) const {
  const auto found = by_message_.find(message);
  return found == by_message_.end() ? nullptr : bodies_[found->second].content;
}

Slot Bodies::use(Slot message) {
  const auto found = by_message_.find(message);
  const Slot slot = found == by_message_.end() ? add(message) : found->second;
  Body& body = bodies_[slot];
  if (body.users == 0 && body.content) unhold(slot);
  ++body.users;
  return slot;
}

void Bodies::release(Slot slot, bool wanted) {
  Body& body = bodies_[slot];
  RELAY_ASSERT(body.users > 0);
  if (--body.users > 0 || body.reserved) return;  // what is being loaded takes its room until it is there
  if (wanted && body.content && body.message != no_slot && bytes_ <= limit_)
    hold(slot, order_of(0));
  else
    forget(slot);
}

bool Bodies::wait(Slot slot, Handle who) {
  Body& body = bodies_[slot];
  body.waiting.push_back(who);
  return !std::exchange(body.asked, true);
}

bool Bodies::reserve(Slot slot, std::uint64_t bytes) {
  const std::uint64_t in_use = bytes_ - kept_bytes_;
  if (in_use > 0 && in_use + bytes > limit_) return false;
  make_room(bytes, 0);
  bodies_[slot].reserved = true;
  count(bodies_[slot], bytes);
  return true;
}

void Bodies::loaded(Slot slot, spool::MessagePtr content) {
  Body& body = bodies_[slot];
  RELAY_ASSERT(body.reserved);
  body.reserved = false;
  if (body.users == 0) return forget(slot);
  count(body, weight(*content));
  body.content = std::move(content);
}

void Bodies::unreserve(Slot slot) {
  Body& body = bodies_[slot];
  RELAY_ASSERT(body.reserved);
  body.reserved = false;
  count(body, 0);
  if (body.users == 0) forget(slot);
}

std::vector<Handle> Bodies::take_waiting(Slot slot) {
  bodies_[slot].asked = false;
  return std::exchange(bodies_[slot].waiting, {});
}

Slot Bodies::add(Slot message) {
  const Slot slot = bodies_.add({});
  bodies_[slot].message = message;
  by_message_.emplace(message, slot);
  return slot;
}

void Bodies::count(Body& body, std::uint64_t bytes) {
  bytes_ += bytes - body.bytes;
  body.bytes = bytes;
  most_bytes_ = std::max(most_bytes_, bytes_);
}

// Drops kept content that is needed later than `from_order` says, until `bytes` more fit.
void Bodies::make_room(std::uint64_t bytes, std::uint64_t from_order) {
  while (bytes_ + bytes > limit_ && !kept_.empty() && kept_.rbegin()->first > from_order)
    forget(kept_.rbegin()->second);
}

void Bodies::hold(Slot slot, std::uint64_t order) {
  Body& body = bodies_[slot];
  body.order = order;
  kept_bytes_ += body.bytes;
  kept_.emplace(order, slot);
  if (body.site != no_slot) kept_by_site_.emplace(body.site, slot);
}

void Bodies::unhold(Slot slot) {
  Body& body = bodies_[slot];
  if (body.order == 0) return;
  kept_.erase({body.order, slot});
  if (body.site != no_slot) kept_by_site_.erase({body.site, slot});
  kept_bytes_ -= body.bytes;
  body.order = 0;
}

void Bodies::forget(Slot slot) {
  unhold(slot);
  Body& body = bodies_[slot];
  if (body.message != no_slot) by_message_.erase(body.message);
  count(body, 0);
  bodies_.remove(slot);
}

}  // namespace relay::queue
