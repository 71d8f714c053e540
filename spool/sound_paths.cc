#include "spool/sound_paths.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include "spool/lmdb_env.h"

namespace relay::spool {
namespace {

// How many leaves or branches to each side LMDB may come to in one transaction: it joins with a neighbour,
// and what that makes with the next.
constexpr std::size_t beside = 2;

struct Bounds {
  std::string first;
  std::optional<std::string> end;
};

// One tree's pages, each read where it is needed.
class Walk {
 public:
  Walk(const PageSource& pages, Table table, std::size_t depth, bool& unreadable)
      : pages_(pages), table_(table), depth_(depth), unreadable_(unreadable) {}

  // The page on `level` (1 is the root), whole and with all keys in order and between the bounds.
  Result<Page> page(PageNumber number, std::size_t level, const Bounds& bounds, std::string& bytes,
                    bool values = false) const {
    const auto damaged = [&](std::string_view what) {
      return fail(Errc::corrupt,
                  fmt::format("page {} of the spool's table {} is damaged, nothing is written near it: {}",
                              number, name(table_), what));
    };
    if (!pages_.has(number)) return damaged("there is no page of that number");
    if (auto read = pages_.read(number, bytes, pages_.page_bytes()); !read) {
      unreadable_ = unreadable_ || read.error().unreadable;
      return damaged(read.error().what);
    }
    auto page = Page::parse(bytes, number);
    if (!page) return damaged(page.error());
    if (page->leaf() != (level == depth_)) return damaged("it is not on a level where its kind belongs");
    if (!page->leaf() && page->size() < 2) return damaged("it leads to one page only");
    const std::size_t begin = page->leaf() ? 0 : 1;
    for (std::size_t i = begin; i < page->size(); ++i) {
      const std::string_view key = page->key(i);
      const bool ordered =
          (i == begin || page->key(i - 1) < key) && bounds.first <= key && (!bounds.end || key < *bounds.end);
      if (!ordered) return damaged("its keys are out of order, or not where they belong");
      if (values && page->leaf() && !inside(page->value(i)))
        return damaged("a value of it does not lie in the file");
    }
    return *page;
  }

  // The page and those on the left edge below it: where LMDB looks for the least key of a branch.
  Result<void> edge(PageNumber number, std::size_t level, Bounds bounds) const {
    std::string bytes;
    for (; level <= depth_; ++level) {
      const auto found = page(number, level, bounds, bytes);
      if (!found) return std::unexpected(found.error());
      if (found->leaf()) break;
      bounds = child_bounds(*found, 0, bounds);
      number = found->child(0);
    }
    return {};
  }

  static Bounds child_bounds(const Page& page, std::size_t at, const Bounds& bounds) {
    Bounds below = bounds;
    if (at > 0) below.first = page.key(at);
    if (at + 1 < page.size()) below.end = page.key(at + 1);
    return below;
  }

 private:
  bool inside(const Page::Value& value) const {
    if (!value.big) return true;
    const std::uint64_t count = overflow_pages_for(value.bytes, pages_.page_bytes());
    return pages_.has(value.first) && count <= pages_.last() - value.first + 1;
  }

  const PageSource& pages_;
  Table table_;
  std::size_t depth_;
  bool& unreadable_;
};

}  // namespace

bool SoundPaths::covers(const Ranges& ranges, std::string_view key) {
  const auto after = ranges.upper_bound(key);
  if (after == ranges.begin()) return false;
  const auto& end = std::prev(after)->second;
  return !end || key < *end;
}

// Joins it with those it touches, so that there are few.
void SoundPaths::add(Ranges& ranges, Range range) {
  auto at = ranges.upper_bound(range.first);
  if (at != ranges.begin()) {
    const auto before = std::prev(at);
    if (!before->second || *before->second >= range.first) {
      range.first = before->first;
      if (!before->second || (range.end && *before->second > *range.end)) range.end = before->second;
      ranges.erase(before);
    }
  }
  while (at != ranges.end() && (!range.end || at->first <= *range.end)) {
    if (!at->second || (range.end && *at->second > *range.end)) range.end = at->second;
    at = ranges.erase(at);
  }
  ranges.emplace(std::move(range.first), std::move(range.end));
}

Result<void> SoundPaths::check(const Txn& txn, Table table, std::string_view key, Use use) {
  Known& known = known_[static_cast<std::size_t>(table)];
  const Ranges& enough = use == Use::erase ? known.beside : use == Use::look ? known.values : known.path;
  if (covers(enough, key)) return {};
  const auto root = txn.root(table);
  if (!root) return std::unexpected(root.error());
  if (root->empty()) {  // all its pages will be this process's
    for (Ranges* ranges : {&known.path, &known.values, &known.beside}) add(*ranges, {});
    return {};
  }
  auto range = walk(txn.environment().pages(), table, *root, key, use, unreadable_);
  if (!range) return std::unexpected(range.error());
  if (use == Use::erase) add(known.beside, *range);
  if (use == Use::look) add(known.values, *range);
  add(known.path, std::move(*range));
  return {};
}

bool SoundPaths::sound_leaf(const Environment& environment, PageNumber number) {
  if (number < leaves_.size() && leaves_[number]) return true;
  const PageSource pages = environment.pages();
  std::string bytes;
  if (!pages.read(number, bytes, pages.page_bytes())) return false;
  const auto page = Page::parse(bytes, number);
  if (!page || !page->leaf()) return false;
  for (std::size_t i = 1; i < page->size(); ++i)
    if (!(page->key(i - 1) < page->key(i))) return false;
  if (number >= leaves_.size()) leaves_.resize(std::max(pages.last(), number) + 1);
  leaves_[number] = true;
  return true;
}

bool SoundPaths::ends(Table table, std::string_view key, std::string_view prefix) const {
  const Ranges& ranges = known_[static_cast<std::size_t>(table)].path;
  const auto after = ranges.upper_bound(key);
  if (after == ranges.begin()) return false;
  const auto& end = std::prev(after)->second;
  return !end || (*end > prefix && !end->starts_with(prefix));
}

Result<SoundPaths::Range> SoundPaths::walk(const PageSource& pages, Table table, const TreeRoot& root,
                                           std::string_view key, Use use, bool& unreadable) {
  unreadable = false;
  const Walk tree(pages, table, root.depth, unreadable);
  PageNumber number = root.root;
  Bounds bounds;
  std::string bytes;
  for (std::size_t level = 1;; ++level) {
    const auto page = tree.page(number, level, bounds, bytes, use == Use::look);
    if (!page) return std::unexpected(page.error());
    if (page->leaf()) return Range{bounds.first, bounds.end};
    const std::size_t at = child_for(*page, key, std::less<std::string_view>());
    if (use == Use::erase)
      for (std::size_t i = at > beside ? at - beside : 0; i < page->size() && i <= at + beside; ++i)
        if (i != at)
          if (auto r = tree.edge(page->child(i), level + 1, Walk::child_bounds(*page, i, bounds)); !r)
            return std::unexpected(r.error());
    number = page->child(at);
    bounds = Walk::child_bounds(*page, at, bounds);
  }
}

}  // namespace relay::spool
