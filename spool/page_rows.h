// PageRows: the rows of one table in the commit that a read transaction sees, read by their pages and never
// through LMDB's map (see tree_cursor.h), so that damage and a failing disk are answers.
//
// A move that passes over damage answers an error that names the page and the messages whose rows were on it;
// rows outside of those are not touched by it. valid() then says whether it stands on the next row behind.
// Must die before its transaction.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "spool/lmdb_env.h"
#include "spool/rows.h"
#include "spool/tree_cursor.h"

namespace relay::spool {

class PageRows final : public Rows {
 public:
  PageRows(const Txn& txn, Table table);
  PageRows(const PageRows&) = delete;
  PageRows& operator=(const PageRows&) = delete;

  Result<bool> seek(std::string_view key) override;
  Result<bool> seek_from(std::string_view key) override;
  Result<bool> next() override;
  Result<bool> first() { return seek_from({}); }
  Result<bool> previous();
  Result<bool> seek_before(std::string_view key);
  bool valid() const override { return cursor_ && cursor_->valid(); }
  std::string_view key() const override { return cursor_->key(); }
  Result<Payload> payload() override;
  Table table() const override { return table_; }
  // What the last move passed over: the keys between which rows may have been.
  const std::vector<DamagedPage>& gaps() const { return gaps_; }
  std::unexpected<Error> damage(const DamagedPage& page) const;

 private:
  Result<bool> moved(bool found, std::string_view from, std::string_view end, bool end_too);

  Table table_;
  Result<void> usable_;
  std::optional<TreeCursor> cursor_;
  std::vector<DamagedPage> gaps_;
  std::string wanted_;
};

}  // namespace relay::spool
