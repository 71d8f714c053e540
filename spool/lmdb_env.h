// Environment, Txn and Cursor: LMDB with owners and Results, and nothing of mail.
//
// An Environment is one spool directory: the lock that keeps a second process out, LMDB's environment and the
// handles of the tables. A Txn aborts unless it was committed; a Cursor belongs to one Txn and must die
// before it. What a cursor shows points into the map: it is good until the next write of its Txn, or its end.
// Write transactions: the writer's thread alone. Read transactions: any thread, kept short.
#pragma once
#include <lmdb.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "mta/base/result.h"
#include "spool/codec.h"
#include "spool/file.h"
#include "spool/lmdb.h"
#include "spool/types.h"

namespace relay::spool {

// What LMDB's return code means to us; `doing` completes "could not …".
//
// When a write fails, what is in doubt? LMDB is copy-on-write: a batch's pages go to places no commit uses,
// then they are synced, then one meta page makes them count. Until that page is written the last commit is
// whole, on the disk and in the map, and the failed batch has left nothing.
// - No room for pages (map, disk, quota, file size): Errc::full, may be tried again.
// - Pages that cannot be written for another reason which may pass (read-only, no memory): Errc::unavailable.
//   The same codes from the sync of the pages mean the same: with Durability::sync no earlier commit waits
//   for it, and the pages it has lost are written anew by the next batch before anything names them.
// - EIO, however it came about: final. The disk has lied or is about to.
// - The meta page could not be written: the batch may count after a restart or not. LMDB notes that and
//   answers MDB_PANIC from then on: final.
// - Damage (MDB_CORRUPTED, MDB_PAGE_NOTFOUND): Errc::corrupt, of the operation that met it.
std::unexpected<Error> lmdb_failure(int code, std::string_view doing);

// Whether the same may be tried again; nothing has been changed and nothing is in doubt.
inline bool may_pass(const Error& error) {
  return error.code == Errc::full || error.code == Errc::unavailable;
}

class Environment;

class Txn {
 public:
  static Result<Txn> begin_write(Environment& environment);
  static Result<Txn> begin_read(const Environment& environment);
  Result<void> commit();  // whatever it answers, the transaction has ended
  MDB_txn* get() const { return txn_.get(); }
  const Environment& environment() const { return *environment_; }
  Result<std::uint64_t> entries(Table table) const;

 private:
  struct Abort {
    void operator()(MDB_txn* txn) const { mdb_txn_abort(txn); }
  };
  static Result<Txn> begin(const Environment& environment, unsigned flags);
  std::unique_ptr<MDB_txn, Abort> txn_;
  const Environment* environment_ = nullptr;
  Environment* written_ = nullptr;  // by a write transaction
};

class Cursor {
 public:
  static Result<Cursor> open(const Txn& txn, Table table);

  // Each answers whether the cursor now stands on a record.
  Result<bool> seek(std::string_view key) { return move(key, MDB_SET_KEY); }
  Result<bool> seek_from(std::string_view key) { return move(key, MDB_SET_RANGE); }  // or the next after it
  Result<bool> first() { return move({}, MDB_FIRST); }
  Result<bool> last() { return move({}, MDB_LAST); }
  Result<bool> next() { return move({}, MDB_NEXT); }  // after erase(): the one behind the erased
  Result<bool> previous() { return move({}, MDB_PREV); }
  Result<bool> before(std::string_view key);  // the last record whose key is less

  std::string_view key() const { return {static_cast<const char*>(key_.mv_data), key_.mv_size}; }
  std::string_view value() const { return {static_cast<const char*>(value_.mv_data), value_.mv_size}; }
  Result<std::string_view> payload() const;  // of the frame; Errc::corrupt if damaged
  std::unexpected<Error> damaged() const;    // for a payload without legal meaning

  Result<void> put(std::string_view key, std::string_view value);     // insert or replace
  Result<bool> insert(std::string_view key, std::string_view value);  // false: the key exists
  Result<char*> reserve(std::string_view key, std::size_t bytes);     // to be filled before the next write
  Result<void> erase();                                               // what it stands on

 private:
  struct Close {
    void operator()(MDB_cursor* cursor) const { mdb_cursor_close(cursor); }
  };
  Result<bool> move(std::string_view key, MDB_cursor_op op);
  std::unique_ptr<MDB_cursor, Close> cursor_;
  Table table_ = Table::meta;
  MDB_val key_{};
  MDB_val value_{};
};

class Environment {
 public:
  static Result<std::unique_ptr<Environment>> open(const LmdbSettings& settings);
  MDB_env* get() const { return env_.get(); }
  MDB_dbi dbi(Table table) const { return dbis_[static_cast<std::size_t>(table)]; }
  // The longest value that fits one page of its own. No record is longer: LMDB would have to find pages in a
  // row for it, and that search is what makes a fragmented file slow.
  std::size_t value_bytes() const { return value_bytes_; }
  // Whether `bytes` more can be written and the reserve for outcomes stays. The writer's thread alone.
  Result<bool> has_room(std::uint64_t bytes);
  // In pages of the file that no table holds any more and later commits may use again. The writer's thread
  // alone.
  Result<std::uint64_t> free_bytes() const;
  // Removes what programs that were killed while they read have left among the readers; the pages of the
  // commit they read could not be used anew otherwise.
  void forget_dead_readers() const { mdb_reader_check(env_.get(), nullptr); }
  // The writer's thread alone: of a commit that LMDB answered with `code`.
  std::unexpected<Error> commit_failed(int code);
  // With Durability::relaxed the sync of one commit's pages puts the meta page of the commit before on the
  // disk. Where it has failed, that one may be lost although the kernel holds it for written, and the commit
  // after the next would reuse pages of the state the disk then still names. So before the next batch it is
  // written again and synced. The writer's thread alone.
  Result<void> settle_meta();
  Result<void> sync();  // the writer's thread alone
  Result<Space> space() const;

 private:
  struct Close {
    void operator()(MDB_env* env) const { mdb_env_close(env); }
  };
  explicit Environment(const LmdbSettings& settings);
  Result<void> make_directory();
  Result<void> lock();
  Result<void> discard_beginnings() const;
  Result<void> open_env();
  Result<void> check_format();
  Result<void> open_tables();
  Result<std::uint64_t> disk_bytes() const;
  bool has_holes(std::uint64_t& blocks) const;
  int reason_not_to_grow() const;  // an errno of a full disk, or 0
  Result<std::uint64_t> allocate(std::uint64_t used, std::uint64_t end);

  LmdbSettings settings_;
  File lock_;  // outlives env_
  std::unique_ptr<MDB_env, Close> env_;
  std::array<MDB_dbi, 9> dbis_{};  // by Table
  std::size_t page_bytes_ = 0;
  std::size_t value_bytes_ = 0;
  // The writer's:
  bool can_allocate_;
  std::uint64_t allocated_ = 0;  // of the file, from its start without a hole; 0 is not known yet
  bool newest_meta_in_doubt_ = false;
};

}  // namespace relay::spool
