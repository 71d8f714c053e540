// TreeCursor: goes through one tree of a view in the order of its keys, around whatever is damaged.
//
// A page that cannot be used is told to `damage` with the keys that may have lain below it, and passed over.
// Keys only ever grow: a page that would lead back counts as damaged, so every walk ends. What key() shows is
// good until the next move; value() until the next call of it or move.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spool/inspect/spool_file.h"

namespace relay::spool {

struct DamagedPage {
  PageNumber page = 0;
  std::string what;   // "its number is 7"
  std::string first;  // its keys were from here on, or
  std::string end;    // before here; empty: without bound
};

class TreeCursor {
 public:
  using Damage = std::function<void(const DamagedPage&)>;
  // `view` must outlive it. Numbers as keys (LMDB's list of free pages) sort as numbers.
  enum class Keys { bytes, numbers };
  TreeCursor(const View& view, const TreeRoot& tree, Damage damage, Keys keys = Keys::bytes);

  // Each answers whether it stands on an entry.
  bool first();
  bool seek_from(std::string_view key);  // on it or the next after it
  bool next();
  // The last key; nothing if the tree is empty or damaged there. Afterwards the cursor must be placed anew.
  std::optional<std::string> last_key();
  bool valid() const { return valid_; }
  bool empty() const { return levels_.empty(); }

  std::string_view key() const;
  Page::Value where() const;  // the value, or where it is
  // The value; if its own pages are damaged, a phrase that says how. Over `most` bytes it is not read.
  std::expected<std::string_view, std::string> value(std::uint64_t most);

 private:
  struct Level {
    std::string bytes;
    Page page;
    std::size_t at = 0;
    PageNumber number = 0;
  };
  bool less(std::string_view a, std::string_view b) const;
  bool enter(PageNumber number, std::size_t depth);
  bool descend(std::size_t depth, const std::string* key);
  bool climb();
  bool settle();
  void report(PageNumber number, std::string what, std::size_t depth) const;
  std::size_t child_for(const Page& page, std::string_view key) const;
  std::size_t lower_bound(const Page& page, std::string_view key) const;
  bool in_this_leaf(std::string_view key) const;

  const View* view_;
  TreeRoot tree_;
  Damage damage_;
  Keys keys_;
  std::vector<Level> levels_;  // from the root to the leaf
  bool valid_ = false;
  std::string last_;  // the last key shown since the last seek
  bool has_last_ = false;
  std::string big_;
};

}  // namespace relay::spool
