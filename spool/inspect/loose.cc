#include "spool/inspect/loose.h"

#include <algorithm>
#include <optional>

#include "spool/inspect/tables.h"

namespace relay::spool {
namespace {

constexpr std::uint64_t longest = 1u << 20;

// Whose records they are. Rows of `accounts` have no frame and are told by nothing; no mail depends on them.
std::optional<Table> table_of(const PageSource& pages, const Page& page) {
  std::string buffer;
  for (std::size_t i = 0; i < page.size(); ++i) {
    const auto value = read_value(pages, page.value(i), longest, buffer);
    if (!value) continue;
    for (const Table table : {Table::messages, Table::rest, Table::bodies, Table::queue, Table::events,
                              Table::keys, Table::idempotency})
      if ((key_bytes(table) == 0 || key_bytes(table) == page.key(i).size()) &&
          open_frame(table, page.key(i), *value))
        return table;
  }
  return std::nullopt;
}

}  // namespace

LooseLeaves find_loose(const PageSource& pages, const PageTotals& totals) {
  LooseLeaves found;
  if (!totals.free_known) return found;  // old pages could not be told from lost ones
  std::string bytes;
  for (const PageNumber number : totals.lost) {
    if (!pages.has(number) || !pages.read(number, bytes, pages.page_bytes())) continue;
    const auto page = Page::parse(bytes, number);
    if (!page || !page->leaf()) continue;
    if (const auto table = table_of(pages, *page))
      found[static_cast<std::size_t>(*table)].push_back({std::string(page->key(0)), number});
  }
  for (auto& leaves : found)
    std::sort(leaves.begin(), leaves.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return found;
}

bool LooseCursor::enter() {
  for (at_ = 0; leaf_ < leaves_->size(); ++leaf_) {
    const PageNumber number = (*leaves_)[leaf_].page;
    if (!pages_.read(number, bytes_, pages_.page_bytes())) continue;
    const auto page = Page::parse(bytes_, number);
    if (!page) continue;
    page_ = *page;
    return valid_ = true;
  }
  return valid_ = false;
}

bool LooseCursor::seek_from(std::string_view key) {
  if (empty()) return valid_ = false;
  const auto after =
      std::upper_bound(leaves_->begin(), leaves_->end(), key,
                       [](std::string_view k, const LooseLeaf& leaf) { return k < leaf.first; });
  leaf_ = after == leaves_->begin() ? 0 : static_cast<std::size_t>(after - leaves_->begin()) - 1;
  const std::string wanted(key);
  if (!enter()) return false;
  while (valid_ && this->key() < wanted) step();
  if (valid_) last_ = this->key();
  return valid_;
}

void LooseCursor::step() {
  if (++at_ < page_.size()) return;
  ++leaf_;
  enter();
}

// Keys only grow, whatever is on the pages.
bool LooseCursor::next() {
  while (valid_) {
    step();
    if (!valid_ || last_ < key()) break;
  }
  if (valid_) last_ = key();
  return valid_;
}

}  // namespace relay::spool
