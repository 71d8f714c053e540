#include "spool/page_rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "spool/records.h"

namespace relay::spool {
namespace {

std::string from_to(Table table, const DamagedPage& damaged) {
  if (!begins_with_id(table)) return {};
  return fmt::format("; it had rows from {} to {}", id_in(damaged.first, "the first message"),
                     id_in(damaged.end, "the last"));
}

}  // namespace

PageRows::PageRows(const Txn& txn, Table table) : table_(table) {
  const auto root = txn.root(table);
  if (root)
    cursor_.emplace(txn.environment().pages(), *root,
                    [this](const DamagedPage& damaged) { gaps_.push_back(damaged); });
  else
    usable_ = std::unexpected(root.error());
}

std::unexpected<Error> PageRows::damage(const DamagedPage& page) const {
  return fail(page.fault.unreadable ? Errc::system : Errc::corrupt,
              fmt::format("page {} of the spool's table {} is damaged: {}{}", page.page, name(table_),
                          page.fault.what, from_to(table_, page)));
}

// Of the gaps those count in which rows may lie that the move was to find: at or after `from`, before `end`
// (or on it, if that is where it stands).
Result<bool> PageRows::moved(bool found, std::string_view from, std::string_view end, bool end_too) {
  std::erase_if(gaps_, [&](const DamagedPage& gap) {
    if (!gap.end.empty() && gap.end <= from) return true;
    return !end.empty() && (end_too ? gap.first > end : gap.first >= end);
  });
  if (!gaps_.empty()) return damage(gaps_.front());
  return found;
}

Result<bool> PageRows::seek(std::string_view key) {
  if (!usable_) return std::unexpected(usable_.error());
  gaps_.clear();
  wanted_ = key;
  if (cursor_->seek_from(wanted_) && cursor_->key() == wanted_) return true;
  return moved(false, wanted_, wanted_, true);
}

Result<bool> PageRows::seek_from(std::string_view key) {
  if (!usable_) return std::unexpected(usable_.error());
  gaps_.clear();
  wanted_ = key;
  const bool found = cursor_->seek_from(wanted_);
  return moved(found, wanted_, found ? cursor_->key() : std::string_view(), true);
}

Result<bool> PageRows::next() {
  if (!usable_) return std::unexpected(usable_.error());
  gaps_.clear();
  if (!cursor_->valid()) return false;
  wanted_ = cursor_->key();
  const bool found = cursor_->next();
  return moved(found, wanted_, found ? cursor_->key() : std::string_view(), true);
}

Result<bool> PageRows::previous() {
  if (!usable_) return std::unexpected(usable_.error());
  gaps_.clear();
  if (!cursor_->valid()) return false;
  wanted_ = cursor_->key();
  const bool found = cursor_->previous();
  return moved(found, found ? cursor_->key() : std::string_view(), wanted_, false);
}

Result<bool> PageRows::seek_before(std::string_view key) {
  if (!usable_) return std::unexpected(usable_.error());
  gaps_.clear();
  wanted_ = key;
  const bool found = cursor_->seek_before(wanted_);
  return moved(found, found ? cursor_->key() : std::string_view(), wanted_, false);
}

Result<Payload> PageRows::payload() {
  constexpr std::uint64_t longest = 1u << 20;  // the format knows none over a page
  const auto value = cursor_->value(longest);
  if (!value)
    return fail(value.error().unreadable ? Errc::system : Errc::corrupt,
                fmt::format("a record of the spool is damaged: table {}, {}: {}", name(table_),
                            describe(table_, key()), value.error().what));
  const auto payload = open_frame(table_, key(), *value);
  if (!payload) return damaged();
  return *payload;
}

}  // namespace relay::spool
