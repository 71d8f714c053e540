#include "spool/inspect/page_account.h"

#include <fmt/format.h>

#include <cstring>

namespace relay::spool {
namespace {

// What a page is for; a table's number otherwise.
enum Use : std::uint8_t {
  none = 0,
  is_meta = 100,
  is_list = 101,
  is_main = 102,
  is_free = 103,
  is_other = 104
};

std::string use_text(std::uint8_t use) {
  switch (use) {
    case is_meta: return "a meta page";
    case is_list: return "of the list of free pages";
    case is_main: return "of the list of tables";
    case is_free: return "free";
    case is_other: return "of a table that the format does not know";
    default: return fmt::format("of table {}", name(static_cast<Table>(use)));
  }
}

std::uint64_t number_of(std::string_view bytes) {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof value));
  return value;
}

class Account {
 public:
  Account(const View& view, Faults& faults)
      : view_(view), faults_(faults), uses_(static_cast<std::size_t>(view.meta().last) + 1, none) {
    for (std::size_t i = 0; i < std::min<std::size_t>(2, uses_.size()); ++i) uses_[i] = is_meta;
  }

  void tree(const TreeRoot& root, std::uint8_t use);
  void free_pages();
  PageTotals finish();

 private:
  struct Walk {
    const TreeRoot& root;
    std::uint8_t use;
    std::optional<Table> table;
    TreeRoot counted;
    bool damaged = false;
  };
  bool take(PageNumber first, std::uint64_t pages, std::uint8_t use, std::optional<Table> table);
  void page(Walk& walk, PageNumber number, std::size_t depth, std::string_view low, std::string_view high);
  void leaf(Walk& walk, const Page& page, PageNumber number);
  bool in_order(const Walk& walk, const Page& page, std::string_view low, std::string_view high) const;
  void compare(const Walk& walk);

  const View& view_;
  Faults& faults_;
  std::vector<std::uint8_t> uses_;
  bool free_known_ = true;
};

bool Account::take(PageNumber first, std::uint64_t pages, std::uint8_t use, std::optional<Table> table) {
  for (PageNumber page = first; page < first + pages; ++page) {
    if (page >= uses_.size()) {
      faults_.page(table,
                   {page, {fmt::format("it is {}, and behind the last page in use", use_text(use))}, {}, {}});
      return false;
    }
    if (uses_[page] != none) {
      const bool freed = use == is_free || uses_[page] == is_free;
      faults_.add({.kind = freed ? FaultKind::free_list : FaultKind::page_shared,
                   .table = table,
                   .page = page,
                   .what = uses_[page] == use ? fmt::format("page {} is twice {}", page, use_text(use))
                                              : fmt::format("page {} is {} and also {}", page,
                                                            use_text(uses_[page]), use_text(use))});
      return false;
    }
    uses_[page] = use;
  }
  return true;
}

bool Account::in_order(const Walk& walk, const Page& page, std::string_view low,
                       std::string_view high) const {
  const auto less = [&](std::string_view a, std::string_view b) {
    return walk.use == is_list ? number_of(a) < number_of(b) : a < b;
  };
  for (std::size_t i = page.leaf() ? 0 : 1; i < page.size(); ++i) {
    const std::string_view key = page.key(i);
    if (!low.empty() && less(key, low)) return false;
    if (!high.empty() && !less(key, high)) return false;
    if (i > (page.leaf() ? 0u : 1u) && !less(page.key(i - 1), key)) return false;
  }
  return true;
}

// `low` and `high`: what the pages above say of the keys below this one; empty for no bound.
void Account::page(Walk& walk, PageNumber number, std::size_t depth, std::string_view low,
                   std::string_view high) {
  const auto damaged = [&](std::string what) {
    walk.damaged = true;
    faults_.page(walk.table, {number, {std::move(what)}, std::string(low), std::string(high)});
  };
  if (number < 2 || number > view_.meta().last) return damaged("there is no page of that number");
  if (!take(number, 1, walk.use, walk.table)) {
    walk.damaged = true;
    return;
  }
  std::string bytes;
  if (auto read = view_.pages().read(number, bytes, view_.file().page_bytes()); !read)
    return damaged(std::move(read.error().what));
  const auto parsed = Page::parse(bytes, number);
  if (!parsed) return damaged(parsed.error());
  if (parsed->leaf() != (depth == walk.root.depth))
    return damaged(
        fmt::format("it is on level {} of {}, where its kind does not belong", depth, walk.root.depth));
  if (!in_order(walk, *parsed, low, high))
    faults_.add({.kind = FaultKind::row_order,
                 .table = walk.table,
                 .page = number,
                 .what = fmt::format("the keys on page {} are not in order", number)});
  if (parsed->leaf()) return leaf(walk, *parsed, number);
  ++walk.counted.branch_pages;
  // LMDB itself stops the program at one.
  if (parsed->size() < 2 && walk.use != is_list) damaged("it leads to one page only");
  for (std::size_t i = 0; i < parsed->size(); ++i)
    page(walk, parsed->child(i), depth + 1, i == 0 ? low : parsed->key(i),
         i + 1 < parsed->size() ? parsed->key(i + 1) : high);
}

void Account::leaf(Walk& walk, const Page& page, PageNumber number) {
  ++walk.counted.leaf_pages;
  walk.counted.entries += page.size();
  for (std::size_t i = 0; i < page.size(); ++i) {
    const Page::Value value = page.value(i);
    if (!value.big) continue;
    const std::uint64_t pages = overflow_pages_for(value.bytes, view_.file().page_bytes());
    walk.counted.overflow_pages += pages;
    if (value.first < 2) {
      walk.damaged = true;
      faults_.page(walk.table,
                   {number, {fmt::format("the value of its entry {} is said to be a meta page", i)}, {}, {}});
    } else if (!take(value.first, pages, walk.use, walk.table)) {
      walk.damaged = true;
    }
  }
}

void Account::compare(const Walk& walk) {
  if (walk.damaged) return;  // that the counts differ then says nothing more
  const TreeRoot& noted = walk.root;
  const TreeRoot& found = walk.counted;
  if (noted.entries != found.entries)
    faults_.add({.kind = FaultKind::row_count,
                 .table = walk.table,
                 .what = fmt::format("{} rows are noted, and there are {}", noted.entries, found.entries)});
  if (noted.branch_pages != found.branch_pages || noted.leaf_pages != found.leaf_pages ||
      noted.overflow_pages != found.overflow_pages)
    faults_.add({.kind = FaultKind::page_count,
                 .table = walk.table,
                 .what = fmt::format("{} pages are noted, and there are {}", noted.pages(), found.pages())});
}

void Account::tree(const TreeRoot& root, std::uint8_t use) {
  Walk walk{root, use, use < is_meta ? std::optional(static_cast<Table>(use)) : std::nullopt, {}, false};
  if (!root.empty()) page(walk, root.root, 1, {}, {});
  if (use == is_list) free_known_ = !walk.damaged;
  compare(walk);
}

void Account::free_pages() {
  const std::uint64_t before = faults_.count();
  read_free_pages(view_, faults_, [&](PageNumber page) { take(page, 1, is_free, std::nullopt); });
  free_known_ = free_known_ && faults_.count() == before;
}

PageTotals Account::finish() {
  PageTotals totals;
  totals.pages = uses_.size();
  totals.free_known = free_known_;
  for (PageNumber page = 0; page < uses_.size(); ++page) {
    if (uses_[page] == none) totals.lost.push_back(page);
    if (uses_[page] == is_free) ++totals.free;
  }
  const std::size_t lost = totals.lost.size();
  totals.used = totals.pages - totals.free - lost;
  // Below a damaged page everything seems lost; then it says nothing.
  if (lost > 0 && faults_.count() == 0)
    faults_.add({.kind = FaultKind::page_lost,
                 .page = totals.lost.front(),
                 .what = fmt::format("{} pages have no use and are not free; the first is {}", lost,
                                     totals.lost.front())});
  return totals;
}

}  // namespace

void read_free_pages(const View& view, Faults& faults, const std::function<void(PageNumber)>& each) {
  constexpr std::uint64_t longest = 1u << 30;  // a list LMDB itself could not write
  TreeCursor cursor(view.pages(), view.meta().free, faults.pages_of(std::nullopt), TreeCursor::Keys::numbers);
  for (bool found = cursor.first(); found; found = cursor.next()) {
    const auto malformed = [&](std::string what) {
      faults.add({.kind = FaultKind::free_list, .what = std::move(what)});
    };
    const auto value = cursor.value(longest);
    if (!value) {
      malformed(fmt::format("a part of the list of free pages cannot be read: {}", value.error().what));
      continue;
    }
    const std::uint64_t count = number_of(*value);
    if (value->size() < sizeof count || count > value->size() / sizeof count - 1) {
      malformed("a part of the list of free pages is shorter than it says");
      continue;
    }
    for (std::uint64_t i = 1; i <= count; ++i) {
      const PageNumber page = number_of(value->substr(i * sizeof page, sizeof page));
      if (page >= 2 && page <= view.meta().last)
        each(page);
      else
        malformed(fmt::format("page {} is said to be free, and does not exist", page));
    }
  }
}

PageTotals account_pages(const View& view, const Tables& tables, Faults& faults) {
  Account account(view, faults);
  account.tree(view.meta().free, is_list);
  account.tree(view.meta().main, is_main);
  for (const Table table : all_tables) {
    if (tables[table])
      account.tree(*tables[table], static_cast<std::uint8_t>(table));
    else if (tables.format == 0 || since_format(table) <= tables.format)
      faults.add({.kind = FaultKind::table_missing,
                  .table = table,
                  .what = fmt::format("there is no table {}", name(table))});
  }
  for (const auto& other : tables.unknown)
    faults.add({.kind = FaultKind::table_unknown,
                .what = fmt::format("there is a table that the format does not know: {}", other)});
  account.free_pages();
  return account.finish();
}

}  // namespace relay::spool
