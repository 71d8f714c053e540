#include "spool/preflight.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

#include "spool/codec.h"
#include "spool/lmdb_env.h"
#include "spool/tree_cursor.h"

namespace relay::spool {
namespace {

class Preflight {
 public:
  Preflight(int descriptor, const std::string& path) : descriptor_(descriptor), path_(path) {}
  Result<void> run();
  std::vector<std::string> warnings;
  int format = 0;

 private:
  Result<void> read_metas();
  Result<void> read_tables();
  Result<void> check_format();
  Result<void> read_free_list();
  Result<void> take_free(std::string_view list);
  Result<void> check_table(Table table);
  Result<void> check_page(Table table, PageNumber number, std::size_t level);
  Result<void> check_length();
  PageSource pages() const { return {descriptor_, meta_.page_bytes(), meta_.last}; }
  std::unexpected<Error> unusable(std::string_view what) const {
    return fail(Errc::corrupt,
                fmt::format("{} is damaged, and nothing can be written to it without harm: {}; "
                            "relayctl spool export saves what it holds",
                            path_, what));
  }

  int descriptor_;
  const std::string& path_;
  std::uint64_t bytes_ = 0;
  Meta meta_;
  std::map<std::string, TreeRoot, std::less<>> tables_;
  std::vector<bool> free_;  // by page
};

Result<void> Preflight::run() {
  if (auto r = read_metas(); !r) return r;
  if (auto r = read_tables(); !r) return r;
  if (auto r = check_format(); !r) return r;
  if (auto r = read_free_list(); !r) return r;
  for (const Table table : all_tables)
    if (since_format(table) <= format)
      if (auto r = check_table(table); !r) return r;
  return check_length();
}

Result<void> Preflight::read_metas() {
  constexpr std::uint64_t pages_of_a_commit = 1u << 18;  // that it can take at the end and give up again
  struct stat now{};
  if (::fstat(descriptor_, &now) != 0) return lmdb_failure(errno, fmt::format("read {}", path_));
  bytes_ = static_cast<std::uint64_t>(now.st_size);
  if (bytes_ == 0)
    return fail(Errc::corrupt,
                fmt::format("{} is empty: it has been cut off. If there was never mail in this spool, "
                            "remove the file; a new one is made",
                            path_));
  const MetaPages pages = MetaPages::read(descriptor_);
  const auto& metas = pages.heads;
  if (!metas[0] && !metas[1]) return MetaPages::neither(path_, metas);
  for (std::size_t i = 0; i < 2; ++i)
    if (!metas[i]) return unusable(fmt::format("meta page {}: {}", i, metas[i].error()));
  const std::uint64_t page = metas[0]->page_bytes();
  const auto own_page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  if (page != own_page || !pages.heads_agree())
    return fail(Errc::invalid,
                fmt::format("{} has pages of {} bytes, and this machine's are of {}: export the "
                            "spool where it was made and import it here",
                            path_, page, own_page));
  const std::size_t newest = metas[0]->commit > metas[1]->commit ? 0 : 1;
  const Meta& newer = *metas[newest];
  const Meta& older = *metas[1 - newest];
  if (!pages.whole[newest])
    return unusable(fmt::format("meta page {}: {}", newest, pages.whole[newest].error()));
  const bool first = newer.commit == 0 && older.commit == 0;
  if (!first && (newer.commit - older.commit != 1 || metas[0]->commit % 2 != 0))
    return unusable(fmt::format("its meta pages say commit {} and {}, which do not follow each other",
                                metas[0]->commit, metas[1]->commit));
  if (newer.last > bytes_ / page + pages_of_a_commit)
    return unusable(fmt::format("its newer meta page says that {} pages are in use; the file has {}",
                                newer.last + 1, bytes_ / page));
  meta_ = newer;
  return {};
}

Result<void> Preflight::read_tables() {
  Result<void> result;
  const auto each = [&](std::string_view name, const std::optional<TreeRoot>& root) {
    if (root) tables_.emplace(name, *root);
  };
  each_table(pages(), meta_.main, each, [&](const DamagedPage& damaged) {
    result =
        unusable(fmt::format("page {}, where the tables are named: {}", damaged.page, damaged.fault.what));
  });
  return result;
}

// The version is plain text outside of any frame, so that every later format can tell it too.
Result<void> Preflight::check_format() {
  const auto meta = tables_.find(name(Table::meta));
  if (meta == tables_.end())
    return fail(Errc::invalid, fmt::format("{} is an LMDB file that is not a spool", path_));
  std::optional<std::string> what;
  TreeCursor cursor(pages(), meta->second, [&](const DamagedPage& damaged) { what = damaged.fault.what; });
  constexpr std::size_t longest = 100;
  if (!cursor.seek_from("format") || cursor.key() != "format")
    return unusable(fmt::format("its format cannot be told: {}", what.value_or("the record is not there")));
  const auto found = cursor.value(longest);
  if (!found) return unusable(fmt::format("its format cannot be told: {}", found.error().what));
  if (const auto known = format_number(*found)) {
    format = *known;
    return {};
  }
  return fail(
      Errc::invalid,
      fmt::format("{} has format {:?}, and this program knows formats up to {}: it was written by another "
                  "version of the relay, or is damaged",
                  path_, found->substr(0, 20), format_version));
}

Result<void> Preflight::read_free_list() {
  free_.assign(meta_.last + 1, false);
  Result<void> result;
  TreeCursor cursor(
      pages(), meta_.free,
      [&](const DamagedPage& damaged) {
        result =
            unusable(fmt::format("page {} of the list of free pages: {}", damaged.page, damaged.fault.what));
      },
      TreeCursor::Keys::numbers);
  for (bool found = cursor.first(); found && result; found = cursor.next()) {
    const auto list = cursor.value((meta_.last + 2) * sizeof(PageNumber));
    if (!list) return unusable(fmt::format("a part of the list of free pages: {}", list.error().what));
    if (cursor.key().size() != sizeof(std::uint64_t)) return unusable("a key in the list of free pages");
    if (auto r = take_free(*list); !r) return r;
  }
  return result;
}

// Its length, then numbers that fall.
Result<void> Preflight::take_free(std::string_view list) {
  const auto number_at = [&](std::uint64_t i) {
    PageNumber number = 0;
    std::memcpy(&number, list.data() + i * sizeof number, sizeof number);
    return number;
  };
  const std::uint64_t room = list.size() / sizeof(PageNumber);
  if (list.size() % sizeof(PageNumber) != 0 || room == 0 || number_at(0) > room - 1)
    return unusable("a part of the list of free pages is not as long as it says");
  PageNumber before = meta_.last + 1;
  for (std::uint64_t i = 1; i <= number_at(0); ++i) {
    const PageNumber page = number_at(i);
    if (page < 2 || page >= before || free_[page])
      return unusable(fmt::format("the list of free pages has page {} where it cannot be", page));
    free_[page] = true;
    before = page;
  }
  return {};
}

Result<void> Preflight::check_table(Table table) {
  const auto found = tables_.find(name(table));
  if (found == tables_.end()) return unusable(fmt::format("the table {} is not there", name(table)));
  const TreeRoot& root = found->second;
  constexpr std::size_t deepest = 32;  // LMDB's
  const bool sound =
      root.flags == 0 && (root.empty() ? root.depth == 0 : root.depth > 0 && root.depth <= deepest);
  if (!sound) return unusable(fmt::format("what is noted of the table {}", name(table)));
  return root.empty() ? Result<void>() : check_page(table, root.root, root.depth);
}

// `level` is 1 for a leaf, which is not read.
Result<void> Preflight::check_page(Table table, PageNumber number, std::size_t level) {
  const auto warn = [&](std::string_view what) {
    warnings.push_back(
        fmt::format("page {} of the spool's table {} is damaged: {}", number, name(table), what));
    return Result<void>();
  };
  if (!pages().has(number)) return warn("there is no page of that number");
  if (free_[number])
    return unusable(
        fmt::format("page {} is used by the table {} and in the list of free pages", number, name(table)));
  if (level == 1) return {};
  std::string bytes;
  if (auto read = pages().read(number, bytes, pages().page_bytes()); !read) return warn(read.error().what);
  const auto page = Page::parse(bytes, number);
  if (!page) return warn(page.error());
  if (page->leaf()) return warn("its kind does not belong on its level");
  for (std::size_t i = 0; i < page->size(); ++i)
    if (auto r = check_page(table, page->child(i), level - 1); !r) return r;
  return {};
}

// LMDB does not write pages that a commit has taken at the end and given up again.
Result<void> Preflight::check_length() {
  const std::uint64_t have = bytes_ / meta_.page_bytes();
  const auto behind =
      free_.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(have, free_.size()));
  if (const auto lost = std::count(behind, free_.end(), false); lost > 0)
    warnings.push_back(
        fmt::format("{} has been cut short: it should have {} pages and has {}; {} of those in use are lost",
                    path_, meta_.last + 1, have, lost));
  return {};
}

}  // namespace

std::optional<int> format_number(std::string_view text) {
  if (text == "1") return 1;
  if (text == format_version) return 2;
  return std::nullopt;
}

Result<Preflown> preflight(int descriptor, const std::string& path) {
  Preflight check(descriptor, path);
  if (auto r = check.run(); !r) return std::unexpected(r.error());
  return Preflown{check.format, std::move(check.warnings)};
}

}  // namespace relay::spool
