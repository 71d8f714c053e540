// Loose leaves: pages of tables that nothing leads to any more, because a page above them is damaged.
//
// They can be told from old ones: what is neither reachable nor free belongs to the commit. Which table a
// leaf is of its records' checksums say, which cover the table. Only whoever saves mail looks at them; to the
// relay they are lost.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "spool/codec.h"
#include "spool/page_source.h"

namespace relay::spool {

struct PageTotals {
  std::uint64_t pages = 0;  // up to the last in use
  std::uint64_t used = 0, free = 0;
  // Without a use and not free. Under damage: what hung below a page that cannot be read.
  std::vector<PageNumber> lost;
  bool free_known = true;  // the list of free pages could be read
};

struct LooseLeaf {
  std::string first;  // key
  PageNumber page = 0;
};
using LooseLeaves =
    std::array<std::vector<LooseLeaf>, table_numbers>;  // by Table, in the order of their keys

// Those among the pages without a use.
LooseLeaves find_loose(const PageSource& pages, const PageTotals& totals);

// Goes through the loose leaves of a table in the order of their keys.
class LooseCursor {
 public:
  LooseCursor(const PageSource& pages, const std::vector<LooseLeaf>* leaves)
      : pages_(pages), leaves_(leaves) {}
  bool seek_from(std::string_view key);
  bool next();
  bool valid() const { return valid_; }
  bool empty() const { return leaves_ == nullptr || leaves_->empty(); }
  std::string_view key() const { return page_.key(at_); }
  Page::Value where() const { return page_.value(at_); }

 private:
  bool enter();  // the leaf at leaf_, or the next that can be read
  void step();
  PageSource pages_;
  const std::vector<LooseLeaf>* leaves_;
  std::size_t leaf_ = 0, at_ = 0;
  std::string bytes_, last_;  // last_: the key it stood on
  Page page_;
  bool valid_ = false;
};

}  // namespace relay::spool
