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

void Later::add(const MessageId& id, WallTime since) {
  auto& entries = own();
  const Entry entry{since, id};
  const auto place = std::lower_bound(entries.begin(), entries.end(), entry, std::greater<>());
  if (place != entries.end() && *place == entry) return;
  entries.insert(place, entry);
  if (entries.size() <= most_) return;
  const Entry latest = entries.front();
  entries.erase(entries.begin());
  others_at_ = others_from_ ? std::min(others_at_, latest.since) : latest.since;
  others_from_ = others_from_ ? std::min(*others_from_, latest.id) : latest.id;
}

std::optional<MessageId> Later::take(WallTime before) {
  if (!entries_ || entries_->empty() || entries_->back().since >= before) return std::nullopt;
  auto& entries = own();
  const MessageId id = entries.back().id;
  entries.pop_back();
  return id;
}

std::optional<MessageId> Later::look_from(WallTime before) {
  if (!others_from_ || others_at_ >= before) return std::nullopt;
  return std::exchange(others_from_, std::nullopt);
}

}  // namespace relay::spool
