#include "spool/later.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace relay::spool {

std::vector<Later::Entry>& Later::own() {
  if (!entries_)
    entries_ = std::make_shared<std::vector<Entry>>();
  else if (entries_.use_count() > 1)
    entries_ = std::make_shared<std::vector<Entry>>(*entries_);
  return *entries_;
}

void Later::leave_to_others(const Entry& entry) {
  others_at_ = others_from_ ? std::min(others_at_, entry.since) : entry.since;
  others_from_ = others_from_ ? std::min(*others_from_, entry.id) : entry.id;
}

// What is in order is a heap.
void Later::make_room() {
  auto& entries = *entries_;
  std::ranges::sort(entries);
  const auto twice = std::ranges::unique(entries);
  entries.erase(twice.begin(), twice.end());
  if (entries.size() <= most_) return;
  const auto rest = entries.begin() + static_cast<std::ptrdiff_t>(most_);
  std::for_each(rest, entries.end(), [this](const Entry& entry) { leave_to_others(entry); });
  entries.erase(rest, entries.end());
}

void Later::add(const MessageId& id, WallTime since) {
  const Entry entry{since, id};
  if (others_from_ && since >= others_at_) return leave_to_others(entry);
  auto& entries = own();
  entries.push_back(entry);
  std::ranges::push_heap(entries, std::greater<>());
  if (entries.size() >= 2 * most_) make_room();
}

std::optional<MessageId> Later::take(WallTime before) {
  if (!entries_ || entries_->empty() || entries_->front().since >= before) return std::nullopt;
  auto& entries = own();
  const Entry first = entries.front();
  while (!entries.empty() && entries.front() == first) {
    std::ranges::pop_heap(entries, std::greater<>());
    entries.pop_back();
  }
  return first.id;
}

std::optional<MessageId> Later::look_from(WallTime before) {
  if (!others_from_ || others_at_ >= before) return std::nullopt;
  return std::exchange(others_from_, std::nullopt);
}

}  // namespace relay::spool
