#include "spool/inspect/tree_cursor.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

namespace relay::spool {
namespace {

constexpr std::size_t deepest = 32;  // LMDB's own limit

}  // namespace

TreeCursor::TreeCursor(const View& view, const TreeRoot& tree, Damage damage, Keys keys)
    : view_(&view), tree_(tree), damage_(std::move(damage)), keys_(keys) {
  if (!tree_.empty() && (tree_.depth == 0 || tree_.depth > deepest)) {
    damage_({tree_.root, fmt::format("it is the root of a tree of {} levels", tree_.depth), {}, {}});
    tree_.root = no_page;
  }
  levels_.resize(tree_.empty() ? 0 : tree_.depth);
}

bool TreeCursor::less(std::string_view a, std::string_view b) const {
  if (keys_ == Keys::numbers && a.size() == sizeof(std::uint64_t) && b.size() == a.size()) {
    std::uint64_t x = 0, y = 0;
    std::memcpy(&x, a.data(), sizeof x);
    std::memcpy(&y, b.data(), sizeof y);
    return x < y;
  }
  return a < b;
}

// Tells about a page that would have stood at `depth`, with the bounds that the levels above give it.
void TreeCursor::report(PageNumber number, std::string what, std::size_t depth) const {
  DamagedPage damaged{number, std::move(what), {}, {}};
  bool has_first = false, has_end = false;
  for (std::size_t i = depth; i-- > 0;) {
    const Level& above = levels_[i];
    if (!has_first && above.at > 0) damaged.first = above.page.key(above.at), has_first = true;
    if (!has_end && above.at + 1 < above.page.size())
      damaged.end = above.page.key(above.at + 1), has_end = true;
  }
  damage_(damaged);
}

bool TreeCursor::enter(PageNumber number, std::size_t depth) {
  Level& level = levels_[depth];
  if (number < 2 || number > view_->meta().last) {
    report(number, "there is no page of that number", depth);
    return false;
  }
  level.number = number;
  if (auto read = view_->file().read(number, level.bytes, view_->file().page_bytes()); !read) {
    report(number, std::move(read.error()), depth);
    return false;
  }
  auto page = Page::parse(level.bytes, number);
  if (page && page->leaf() != (depth + 1 == levels_.size()))
    page = std::unexpected(
        fmt::format("it is on level {} of {}, where its kind does not belong", depth + 1, levels_.size()));
  if (!page) {
    report(number, std::move(page.error()), depth);
    return false;
  }
  level.page = *page;
  level.at = 0;
  return true;
}

std::size_t TreeCursor::child_for(const Page& page, std::string_view key) const {
  std::size_t low = 1, high = page.size();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (less(key, page.key(middle)))
      high = middle;
    else
      low = middle + 1;
  }
  return low - 1;
}

std::size_t TreeCursor::lower_bound(const Page& page, std::string_view key) const {
  std::size_t low = 0, high = page.size();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (less(page.key(middle), key))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// From the level at `depth`, which stands on a child, down to a leaf: to `key` or to the very left. False: a
// page on the way is damaged, and the levels above stand where it hangs.
bool TreeCursor::descend(std::size_t depth, const std::string* key) {
  for (; depth + 1 < levels_.size(); ++depth) {
    const Level& level = levels_[depth];
    if (!enter(level.page.child(level.at), depth + 1)) return false;
    Level& below = levels_[depth + 1];
    if (key != nullptr)
      below.at = below.page.leaf() ? lower_bound(below.page, *key) : child_for(below.page, *key);
  }
  return true;
}

// To the leftmost entry of the next leaf that can be read. A level that could not be entered is left by the
// one above it, so the search begins at the lowest level whose page is sound and has a further child.
bool TreeCursor::climb() {
  std::size_t depth = levels_.size() - 1;
  while (depth > 0) {
    Level& above = levels_[depth - 1];
    if (above.page.size() == 0 || above.at + 1 >= above.page.size()) {
      --depth;
      continue;
    }
    ++above.at;
    // What hangs below is entered afresh; a level that fails is empty from then on.
    for (std::size_t i = depth; i < levels_.size(); ++i) levels_[i].page = Page();
    if (descend(depth - 1, nullptr)) return true;
    depth = levels_.size() - 1;
  }
  return false;
}

// Stands on the entry found, unless it is behind the leaf's end or leads back.
bool TreeCursor::settle() {
  for (;;) {
    Level& leaf = levels_.back();
    if (leaf.page.size() == 0 || leaf.at >= leaf.page.size()) {
      if (!climb()) return valid_ = false;
      continue;
    }
    const std::string_view key = leaf.page.key(leaf.at);
    if (has_last_ && !less(last_, key)) {
      report(leaf.number, fmt::format("the key of its entry {} is not after the one before", leaf.at),
             levels_.size() - 1);
      leaf.at = leaf.page.size();
      continue;
    }
    last_ = key;
    has_last_ = true;
    return valid_ = true;
  }
}

bool TreeCursor::first() { return seek_from({}); }

bool TreeCursor::in_this_leaf(std::string_view key) const {
  const Page& page = levels_.back().page;
  return page.size() > 0 && !less(key, page.key(0)) && !less(page.key(page.size() - 1), key);
}

bool TreeCursor::seek_from(std::string_view key) {
  has_last_ = false;
  if (levels_.empty()) return valid_ = false;
  if (valid_ && in_this_leaf(key)) {
    levels_.back().at = lower_bound(levels_.back().page, key);
    return settle();
  }
  const std::string wanted(key);
  for (Level& level : levels_) level.page = Page();
  if (enter(tree_.root, 0)) {
    Level& root = levels_[0];
    root.at = root.page.leaf() ? lower_bound(root.page, wanted) : child_for(root.page, wanted);
    descend(0, &wanted);
  }
  return settle();
}

std::optional<std::string> TreeCursor::last_key() {
  valid_ = false;
  if (levels_.empty()) return std::nullopt;
  for (std::size_t depth = 0; depth < levels_.size(); ++depth) {
    const PageNumber number = depth == 0 ? tree_.root : levels_[depth - 1].page.child(levels_[depth - 1].at);
    if (!enter(number, depth)) return std::nullopt;
    levels_[depth].at = levels_[depth].page.size() - 1;
  }
  return std::string(key());
}

bool TreeCursor::next() {
  if (!valid_) return false;
  ++levels_.back().at;
  return settle();
}

std::string_view TreeCursor::key() const { return levels_.back().page.key(levels_.back().at); }
Page::Value TreeCursor::where() const { return levels_.back().page.value(levels_.back().at); }

std::expected<std::string_view, std::string> TreeCursor::value(std::uint64_t most) {
  const Page::Value value = where();
  if (value.bytes > most) return std::unexpected(fmt::format("it is {} bytes long", value.bytes));
  if (!value.big) return value.inside;
  const std::size_t page_bytes = view_->file().page_bytes();
  const std::uint64_t pages = overflow_pages_for(value.bytes, page_bytes);
  if (value.first < 2 || value.first > view_->meta().last)
    return std::unexpected(fmt::format("it is said to be on page {}, which does not exist", value.first));
  const auto damaged = [&](const std::string& what) {
    return std::unexpected(fmt::format("its page {} is damaged: {}", value.first, what));
  };
  if (auto read = view_->file().read(value.first, big_, pages * page_bytes); !read)
    return damaged(read.error());
  if (const auto fault = overflow_fault(big_, value.first, pages)) return damaged(*fault);
  return std::string_view(big_).substr(page_header_bytes, value.bytes);
}

}  // namespace relay::spool
