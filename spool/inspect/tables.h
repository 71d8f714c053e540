// Tables: where the spool's tables are in a view, and rows of them in their frames. Whatever cannot be read
// is told to the fault sink, a page once.
#pragma once
#include <array>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "spool/inspect/fault.h"
#include "spool/inspect/loose.h"
#include "spool/inspect/spool_file.h"
#include "spool/tree_cursor.h"

namespace relay::spool {

// Passes faults on, those of one page once.
class Faults {
 public:
  explicit Faults(FaultSink sink) : sink_(std::move(sink)) {}
  void add(Fault fault);  // with the kind's sentence if it has none of its own
  void page(std::optional<Table> table, const DamagedPage& damaged);
  TreeCursor::Damage pages_of(std::optional<Table> table) {
    return [this, table](const DamagedPage& damaged) { page(table, damaged); };
  }
  std::uint64_t count() const { return count_; }
  // How many pages of the table have been found damaged.
  std::uint64_t damaged_pages(Table table) const { return damaged_[static_cast<std::size_t>(table)]; }

 private:
  FaultSink sink_;
  std::uint64_t count_ = 0;
  std::set<PageNumber> pages_;
  std::array<std::uint64_t, table_numbers> damaged_{};
};

struct Tables {
  std::array<std::optional<TreeRoot>, table_numbers> roots;  // by Table
  std::vector<std::string> unknown;                          // names
  int format = 0;  // that the spool says it has; 0: it cannot be told
  // Leaves that nothing leads to, if they are to be read too: rows are then those of both.
  std::shared_ptr<const LooseLeaves> loose;

  const std::optional<TreeRoot>& operator[](Table table) const {
    return roots[static_cast<std::size_t>(table)];
  }
  const std::vector<LooseLeaf>* loose_of(Table table) const {
    return loose ? &(*loose)[static_cast<std::size_t>(table)] : nullptr;
  }
};
Tables find_tables(const View& view, Faults& faults);

// A cursor on a table's rows. A row whose value cannot be read at all has no bytes.
class RowCursor {
 public:
  RowCursor(const View& view, const Tables& tables, Table table, Faults& faults);
  bool first() { return seek_from({}); }
  bool seek_from(std::string_view key);
  bool next();
  std::optional<std::string> last_key();  // of the tree; the cursor must be placed anew
  bool valid() const { return tree_.valid() || loose_.valid(); }
  bool empty() const { return tree_.empty() && loose_.empty(); }
  std::string_view key() const { return on_loose_ ? loose_.key() : tree_.key(); }
  Table table() const { return table_; }
  std::expected<std::string_view, PageFault> value();
  // Out of the frame. Nothing if it is damaged, which is told.
  std::optional<Payload> payload();
  void meaningless();  // tells that the payload has no legal meaning
  void damaged(FaultKind kind, std::string what);
  std::uint64_t bytes() const { return where().bytes; }

 private:
  Page::Value where() const { return on_loose_ ? loose_.where() : tree_.where(); }
  bool settle();
  PageSource pages_;
  TreeCursor tree_;
  LooseCursor loose_;
  bool on_loose_ = false;
  Table table_;
  std::size_t value_bytes_;
  Faults* faults_;
  std::string buffer_;
};

// How long the keys of a table are; 0 if they may have any length.
std::size_t key_bytes(Table table);

}  // namespace relay::spool
