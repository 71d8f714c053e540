#include "spool/tree_cursor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace relay::spool {
namespace {

constexpr std::size_t deepest = 32;  // LMDB's own limit

}  // namespace

TreeCursor::TreeCursor(const PageSource& pages, const TreeRoot& tree, Damage damage, Keys keys)
    : pages_(pages), tree_(tree), damage_(std::move(damage)), keys_(keys) {
  if (!tree_.empty() && (tree_.depth == 0 || tree_.depth > deepest)) {
    damage_({tree_.root, {fmt::format("it is the root of a tree of {} levels", tree_.depth)}, {}, {}});
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

// ---- pages ----

// Between which keys the levels above put a page at `depth`.
TreeCursor::Bounds TreeCursor::bounds(std::size_t depth) const {
  Bounds found;
  for (std::size_t i = depth; i-- > 0;) {
    const Level& above = levels_[i];
    for (std::size_t at = above.at; !found.first && at > 0; --at)
      if (above.in_order(at)) found.first = above.page.key(at);
    for (std::size_t at = above.at + 1; !found.end && at < above.page.size(); ++at)
      if (above.in_order(at)) found.end = above.page.key(at);
  }
  return found;
}

void TreeCursor::report(PageNumber number, PageFault fault, std::size_t depth) const {
  const Bounds where = bounds(depth);
  damage_(
      {number, std::move(fault), std::string(where.first.value_or("")), std::string(where.end.value_or(""))});
}

bool TreeCursor::enter(PageNumber number, std::size_t depth) {
  Level& level = levels_[depth];
  level.misplaced.clear();
  if (!pages_.has(number)) {
    report(number, {"there is no page of that number"}, depth);
    return false;
  }
  level.number = number;
  if (auto read = pages_.read(number, level.bytes, pages_.page_bytes()); !read) {
    report(number, std::move(read.error()), depth);
    return false;
  }
  auto page = Page::parse(level.bytes, number);
  if (page && page->leaf() != (depth + 1 == levels_.size()))
    page = std::unexpected(
        fmt::format("it is on level {} of {}, where its kind does not belong", depth + 1, levels_.size()));
  if (!page) {
    report(number, {std::move(page.error())}, depth);
    return false;
  }
  level.page = *page;
  level.at = 0;
  if (!check_order(depth)) report(number, {"its keys are out of order, or not where they belong"}, depth);
  return true;
}

bool TreeCursor::within(std::string_view key, const Bounds& bounds) const {
  return (!bounds.first || !less(key, *bounds.first)) && (!bounds.end || less(key, *bounds.end));
}

bool TreeCursor::check_order(std::size_t depth) {
  Level& level = levels_[depth];
  const Page& page = level.page;
  const std::size_t begin = page.leaf() ? 0 : 1;  // a branch's first entry has no key
  if (begin == page.size()) return true;
  const Bounds between = bounds(depth);
  bool ordered = within(page.key(begin), between) && within(page.key(page.size() - 1), between);
  for (std::size_t i = begin; i + 1 < page.size() && ordered; ++i)
    ordered = less(page.key(i), page.key(i + 1));
  if (!ordered) level.misplaced = find_misplaced(page, between);
  return ordered;
}

// All but the longest row of growing keys within the bounds. If most keys lie outside, the bounds are wrong.
std::vector<bool> TreeCursor::find_misplaced(const Page& page, Bounds between) const {
  const std::size_t begin = page.leaf() ? 0 : 1;
  std::size_t inside = 0;
  for (std::size_t i = begin; i < page.size(); ++i) inside += within(page.key(i), between) ? 1 : 0;
  if (2 * inside <= page.size() - begin) between = {};
  std::vector<std::size_t> length(page.size()), before(page.size());
  std::size_t end_of_longest = page.size();
  for (std::size_t i = begin; i < page.size(); ++i) {
    const std::string_view key = page.key(i);
    if (!within(key, between)) continue;
    length[i] = 1;
    before[i] = i;
    for (std::size_t j = begin; j < i; ++j)
      if (length[j] >= length[i] && less(page.key(j), key)) length[i] = length[j] + 1, before[i] = j;
    if (end_of_longest == page.size() || length[i] > length[end_of_longest]) end_of_longest = i;
  }
  std::vector<bool> misplaced(page.size(), true);
  if (begin == 1) misplaced[0] = false;
  for (std::size_t i = end_of_longest; i < page.size();) {
    misplaced[i] = false;
    i = before[i] == i ? page.size() : before[i];
  }
  return misplaced;
}

// ---- moves ----

std::size_t TreeCursor::child_for(const Level& level, std::string_view key) const {
  const Page& page = level.page;
  if (!level.misplaced.empty()) {
    std::size_t at = page.size() - 1;
    while (at > 0 && !(level.in_order(at) && !less(key, page.key(at)))) --at;
    return at;
  }
  return spool::child_for(page, key, [this](std::string_view a, std::string_view b) { return less(a, b); });
}

std::size_t TreeCursor::lower_bound(const Level& level, std::string_view key) const {
  const Page& page = level.page;
  std::size_t low = 0, high = page.size();
  if (!level.misplaced.empty()) {
    while (low < high && !(level.in_order(low) && !less(page.key(low), key))) ++low;
    return low;
  }
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (less(page.key(middle), key))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

void TreeCursor::place(Level& level, Way way, const std::string* key) {
  if (key != nullptr)
    level.at = level.page.leaf() ? lower_bound(level, *key) : child_for(level, *key);
  else
    level.at = way == Way::forward ? 0 : level.page.size() - 1;
}

bool TreeCursor::start(Way way, const std::string* key) {
  has_last_ = false;
  if (levels_.empty()) return valid_ = false;
  for (Level& level : levels_) level.page = Page();
  if (enter(tree_.root, 0)) {
    place(levels_[0], way, key);
    descend(0, way, key);
  }
  return settle(way, key);
}

// From the level at `depth`, which stands on a child, down to a leaf: to `key`, or to the very left or right.
// False: a page on the way is damaged, and the levels above stand where it hangs.
bool TreeCursor::descend(std::size_t depth, Way way, const std::string* key) {
  for (; depth + 1 < levels_.size(); ++depth) {
    const Level& level = levels_[depth];
    if (!enter(level.page.child(level.at), depth + 1)) return false;
    place(levels_[depth + 1], way, key);
  }
  return true;
}

// To the nearest entry, or to `key`, in the next leaf that can be read. A level that could not be entered is
// left by the one above it, so the search begins at the lowest level whose page is sound and has a further
// child.
bool TreeCursor::climb(Way way, const std::string* key) {
  std::size_t depth = levels_.size() - 1;
  while (depth > 0) {
    Level& above = levels_[depth - 1];
    const bool further =
        above.page.size() > 0 && (way == Way::forward ? above.at + 1 < above.page.size() : above.at > 0);
    if (!further) {
      --depth;
      continue;
    }
    above.at = way == Way::forward ? above.at + 1 : above.at - 1;
    // What hangs below is entered afresh; a level that fails is empty from then on.
    for (std::size_t i = depth; i < levels_.size(); ++i) levels_[i].page = Page();
    if (descend(depth - 1, way, key)) return true;
    depth = levels_.size() - 1;
  }
  return false;
}

// Stands on the entry found, unless it is beyond the leaf's end, out of order, or leads back.
bool TreeCursor::settle(Way way, const std::string* key) {
  const auto beyond = [](const Level& leaf) { return leaf.at >= leaf.page.size(); };  // either end
  const auto step = [way](Level& leaf) { way == Way::forward ? ++leaf.at : --leaf.at; };
  for (;;) {
    Level& leaf = levels_.back();
    if (beyond(leaf)) {
      if (!climb(way, key)) return valid_ = false;
      continue;
    }
    const std::string_view found = leaf.page.key(leaf.at);
    const bool on = !has_last_ || (way == Way::forward ? less(last_, found) : less(found, last_));
    if (!on || !leaf.in_order(leaf.at)) {
      if (leaf.in_order(leaf.at))
        report(leaf.number, {"its keys are those of a page before"}, levels_.size() - 1);
      step(leaf);
      continue;
    }
    last_ = found;
    has_last_ = true;
    return valid_ = true;
  }
}

bool TreeCursor::in_this_leaf(std::string_view key) const {
  const Level& leaf = levels_.back();
  return leaf.page.size() > 0 && leaf.misplaced.empty() && !less(key, leaf.page.key(0)) &&
         !less(leaf.page.key(leaf.page.size() - 1), key);
}

bool TreeCursor::seek_from(std::string_view key) {
  if (valid_ && in_this_leaf(key)) {
    has_last_ = false;
    levels_.back().at = lower_bound(levels_.back(), key);
    return settle(Way::forward);
  }
  const std::string wanted(key);
  start(Way::forward, &wanted);
  // A key that misleads on a branch page is seen by what it leads to: entries before the wanted place, or the
  // first of a leaf with others before it that are behind that place.
  while (valid_ && less(this->key(), wanted)) next();
  if (!valid_ || levels_.back().at > 0 || this->key() == wanted) return valid_;
  while (previous() && !less(this->key(), wanted)) {
  }
  return valid_ ? next() : start(Way::forward, nullptr);
}

bool TreeCursor::seek_before(std::string_view key) {
  const std::string end(key);
  if (!seek_from(end)) return last();
  return previous();
}

bool TreeCursor::first() { return start(Way::forward, nullptr); }
bool TreeCursor::last() { return start(Way::back, nullptr); }

bool TreeCursor::next() {
  if (!valid_) return false;
  ++levels_.back().at;
  return settle(Way::forward);
}

bool TreeCursor::previous() {
  if (!valid_) return false;
  --levels_.back().at;  // from the first entry to a number no page has
  return settle(Way::back);
}

std::optional<std::string> TreeCursor::last_key() {
  valid_ = false;
  if (levels_.empty()) return std::nullopt;
  for (std::size_t depth = 0; depth < levels_.size(); ++depth) {
    const PageNumber number = depth == 0 ? tree_.root : levels_[depth - 1].page.child(levels_[depth - 1].at);
    if (!enter(number, depth)) return std::nullopt;
    place(levels_[depth], Way::back, nullptr);
  }
  return std::string(key());
}

// ---- entries ----

std::string_view TreeCursor::key() const { return levels_.back().page.key(levels_.back().at); }
Page::Value TreeCursor::where() const { return levels_.back().page.value(levels_.back().at); }

std::expected<std::string_view, PageFault> TreeCursor::value(std::uint64_t most) {
  return read_value(pages_, where(), most, big_);
}

void each_table(const PageSource& pages, const TreeRoot& main, const EachTable& each,
                TreeCursor::Damage damage) {
  TreeCursor cursor(pages, main, std::move(damage));
  for (bool found = cursor.first(); found; found = cursor.next()) {
    const Page::Value value = cursor.where();
    each(cursor.key(), value.tree ? TreeRoot::parse(value.inside) : std::nullopt);
  }
}

}  // namespace relay::spool
