// TreeCursor: goes through one tree of a commit in the order of its keys, around whatever is damaged.
//
// A page that cannot be used is told to `damage` with the keys that may have lain below it, and passed over;
// so is, alone, an entry whose key is out of order. A damaged key on a branch page costs no entry. Going one
// way, keys only ever grow (or shrink), so every walk ends. What key() shows is good until the next move;
// value() until the next call of it or move. One thread.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spool/page_source.h"

namespace relay::spool {

struct DamagedPage {
  PageNumber page = 0;
  PageFault fault;    // "its number is 7"
  std::string first;  // its keys were from here on, or
  std::string end;    // before here; empty: without bound
};

class TreeCursor {
 public:
  using Damage = std::function<void(const DamagedPage&)>;
  // Numbers as keys (LMDB's list of free pages) sort as numbers.
  enum class Keys { bytes, numbers };
  TreeCursor(const PageSource& pages, const TreeRoot& tree, Damage damage, Keys keys = Keys::bytes);

  TreeCursor(TreeCursor&&) = default;
  TreeCursor& operator=(TreeCursor&&) = default;

  // Each answers whether it stands on an entry.
  bool first();
  bool last();
  bool seek_from(std::string_view key);  // on it or the next after it
  bool seek_before(std::string_view key);
  bool next();
  bool previous();
  // The last key; nothing if the tree is empty or damaged there. Afterwards the cursor must be placed anew.
  std::optional<std::string> last_key();
  bool valid() const { return valid_; }
  bool empty() const { return levels_.empty(); }

  std::string_view key() const;
  Page::Value where() const;  // the value, or where it is
  // The value; if its own pages are damaged, how. Over `most` bytes it is not read.
  std::expected<std::string_view, PageFault> value(std::uint64_t most);

 private:
  struct Level {
    std::string bytes;
    Page page;
    std::size_t at = 0;
    PageNumber number = 0;
    std::vector<bool> misplaced;  // entries whose key is out of order; empty if all are in order
    bool in_order(std::size_t entry) const { return misplaced.empty() || !misplaced[entry]; }
  };
  struct Bounds {
    std::optional<std::string_view> first, end;
  };
  enum class Way { forward, back };

  bool less(std::string_view a, std::string_view b) const;
  Bounds bounds(std::size_t depth) const;
  bool enter(PageNumber number, std::size_t depth);
  bool check_order(std::size_t depth);
  bool within(std::string_view key, const Bounds& bounds) const;
  std::vector<bool> find_misplaced(const Page& page, Bounds bounds) const;
  bool start(Way way, const std::string* key);
  bool descend(std::size_t depth, Way way, const std::string* key);
  void place(Level& level, Way way, const std::string* key);
  bool climb(Way way, const std::string* key);
  bool settle(Way way, const std::string* key = nullptr);
  void report(PageNumber number, PageFault fault, std::size_t depth) const;
  std::size_t child_for(const Level& level, std::string_view key) const;
  std::size_t lower_bound(const Level& level, std::string_view key) const;
  bool in_this_leaf(std::string_view key) const;

  PageSource pages_;
  TreeRoot tree_;
  Damage damage_;
  Keys keys_;
  std::vector<Level> levels_;  // from the root to the leaf
  bool valid_ = false;
  std::string last_;  // the last key shown since the last seek
  bool has_last_ = false;
  std::string big_;
};

// Every name in LMDB's list of tables, with its root, or none where the entry is no table.
using EachTable = std::function<void(std::string_view name, const std::optional<TreeRoot>& root)>;
void each_table(const PageSource& pages, const TreeRoot& main, const EachTable& each,
                TreeCursor::Damage damage);

}  // namespace relay::spool
