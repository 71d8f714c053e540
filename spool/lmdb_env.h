// Environment, Txn and Cursor: LMDB with owners and Results, and nothing of mail.
//
// Who reads a commit does so by its pages (PageRows), inside a read transaction that keeps them from reuse;
// LMDB itself is asked to read for the writer alone.
//
// An Environment is one spool directory: the lock that keeps a second process out, LMDB's environment and the
// handles of the tables. A Txn aborts unless it was committed; a Cursor belongs to one Txn and must die
// before it. What a cursor shows is good until its next move.
// Write transactions: the writer's thread alone. Read transactions: any thread, kept short.
#pragma once
#include <lmdb.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "mta/base/result.h"
#include "spool/codec.h"
#include "spool/file.h"
#include "spool/frozen.h"
#include "spool/lmdb.h"
#include "spool/map_guard.h"
#include "spool/page_source.h"
#include "spool/rows.h"
#include "spool/sound_paths.h"
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

class Environment;

class Txn {
 public:
  static Result<Txn> begin_write(Environment& environment);
  static Result<Txn> begin_read(const Environment& environment);
  Result<void> commit();  // whatever it answers, the transaction has ended
  MDB_txn* get() const { return txn_.get(); }
  const Environment& environment() const { return *environment_; }
  Environment* written() const { return written_; }  // null if it only reads
  // Where the table's tree begins in the commit this transaction has begun on.
  Result<TreeRoot> root(Table table) const;
  Result<const char*> map_entry(Table table) const;  // what LMDB has noted of it, in the map
  Result<std::uint64_t> entries(Table table) const;
  std::uint64_t commit_number() const;
  // Whether LMDB would still commit it: an error amid a change spoils a transaction.
  bool usable() const;

 private:
  struct Abort {
    Environment* written;  // null if it only reads
    void operator()(MDB_txn* txn) const;
  };
  static Result<Txn> begin(const Environment& environment, Environment* written);
  std::unique_ptr<MDB_txn, Abort> txn_;  // null: it reads what is frozen
  const Frozen* frozen_ = nullptr;
  const Environment* environment_ = nullptr;
  Environment* written_ = nullptr;
};

// A cursor of the writer's transaction, which sees what that has changed. Before LMDB is let on a page to
// change it, its path is looked at (SoundPaths): Errc::corrupt then, and nothing has been changed.
class Cursor final : public Rows {
 public:
  static Result<Cursor> open(const Txn& txn, Table table);

  // Each answers whether the cursor now stands on a record. A key given must not be one that key() showed.
  Result<bool> seek(std::string_view key) override { return move(key, MDB_SET_KEY); }
  Result<bool> seek_from(std::string_view key) override { return move(key, MDB_SET_RANGE); }
  Result<bool> first() { return move({}, MDB_FIRST); }
  bool valid() const override { return on_row_; }
  Result<bool> next() override { return move({}, MDB_NEXT); }  // after erase(): the one behind the erased

  std::string_view key() const override { return key_; }
  // Of the row the last move came to; to be asked for before anything is written. Mostly nobody asks: a
  // content's rows are erased without a look at them.
  Result<std::string_view> value();
  Result<Payload> payload() override;
  Table table() const override { return table_; }

  Result<void> put(std::string_view key, std::string_view value);     // insert or replace
  Result<bool> insert(std::string_view key, std::string_view value);  // false: the key exists
  Result<char*> reserve(std::string_view key, std::size_t bytes);     // to be filled before the next write
  Result<void> erase();                                               // what it stands on
  // Errc::corrupt if damage is in the way of it; nothing is changed.
  Result<void> check(std::string_view key, SoundPaths::Use use);
  Result<void> check_erase() { return check(key_, SoundPaths::Use::erase); }

 private:
  struct Close {
    void operator()(MDB_cursor* cursor) const { mdb_cursor_close(cursor); }
  };
  Result<void> reopen();
  Result<bool> move(std::string_view key, MDB_cursor_op op);
  Result<bool> astray(std::string_view wanted, std::string_view what);
  Result<int> put(std::string_view key, MDB_val& value, unsigned flags);
  Result<void> check_value_pages(const MDB_val& value) const;
  std::unique_ptr<MDB_cursor, Close> cursor_;
  const Txn* txn_ = nullptr;
  Table table_ = Table::meta;
  std::string key_, value_;
  MDB_val found_{};  // the value, in the map or in LMDB's memory
  bool on_row_ = false;
};

class Environment {
 public:
  static Result<std::unique_ptr<Environment>> open(const LmdbSettings& settings);
  MDB_env* get() const { return env_.get(); }
  MDB_dbi dbi(Table table) const { return dbis_[static_cast<std::size_t>(table)]; }
  // The longest value that fits one page of its own. No record is longer: LMDB would have to find pages in a
  // row for it, and that search is what makes a fragmented file slow.
  std::size_t value_bytes() const { return value_bytes_; }
  std::size_t page_bytes() const { return page_bytes_; }
  PageSource pages() const;  // of the newest commit; those of a transaction are among them
  // The page that LMDB's map has at an address, if it is in the map and not in LMDB's own memory.
  std::optional<PageNumber> page_at(const char* address) const;
  Result<Space> space() const;
  // Removes what programs that were killed while they read have left among the readers; the pages of the
  // commit they read could not be used anew otherwise.
  void forget_dead_readers() const { mdb_reader_check(env_.get(), nullptr); }

  // What is read once LMDB begins nothing more; else null.
  const Frozen* frozen() const { return frozen_.load(std::memory_order_acquire); }

  // ---- the writer's thread alone ----
  // Whether `bytes` more can be written and the reserve for outcomes stays.
  Result<bool> has_room(std::uint64_t bytes);
  std::unexpected<Error> no_room(std::uint64_t bytes) const;  // Errc::full, with the figures
  void committed();                                           // the transaction that was open
  // In pages of the file that no table holds any more and later commits may use again.
  Result<std::uint64_t> free_bytes() const;
  // Of a commit that LMDB answered with `code`.
  std::unexpected<Error> commit_failed(int code);
  // With Durability::relaxed the sync of one commit's pages puts the meta page of the commit before on the
  // disk. Where it has failed, that one may be lost although the kernel holds it for written, and the commit
  // after the next would reuse pages of the state the disk then still names. So before the next batch it is
  // written again and synced.
  Result<void> settle_meta();
  Result<void> sync();
  SoundPaths& sound_paths() { return sound_paths_; }  // what LMDB may be let on
  std::uint64_t changes() const { return changes_; }  // asked of LMDB so far
  // After so many operations: keeps to LmdbSettings::mapped_bytes.
  void worked(std::size_t operations);
  // Runs one plain call of LMDB that may change something. After a fault nothing may be written any more.
  template <class Call>
  Result<void> change(Call call) {
    ++changes_;
    if (const auto fault = MapGuard::guarded(call); fault != MapGuard::Fault::none) return lose_writer(fault);
    return {};
  }
  bool writer_lost() const { return writer_lost_; }
  // A fault met while reading has left a cursor of the transaction in disorder.
  void spoil() { spoiled_ = true; }
  bool spoiled() const { return spoiled_; }
  void begin_writing() { spoiled_ = false; }

 private:
  struct Close {
    void operator()(MDB_env* env) const { mdb_env_close(env); }
  };
  explicit Environment(const LmdbSettings& settings);
  std::string data_file() const { return settings_.directory + "/data.mdb"; }
  Result<void> make_directory();
  Result<void> lock();
  Result<void> make_file();
  Result<void> fill_new(const std::string& directory);
  Result<void> check_file();
  Result<void> open_env();
  Result<void> open_tables();
  Result<void> renew_format(const Txn& txn);
  Result<void> find_map();
  std::unexpected<Error> lose_writer(MapGuard::Fault fault);
  bool freeze_if_panicked();
  std::uint64_t reserve() const;
  Result<std::uint64_t> disk_bytes() const;
  bool has_holes(std::uint64_t& blocks) const;
  int reason_not_to_grow() const;  // an errno of a full disk, or 0
  Result<std::uint64_t> allocate(std::uint64_t used, std::uint64_t end);

  LmdbSettings settings_;
  File lock_;       // outlives env_
  int format_ = 0;  // of the file when it was opened
  std::unique_ptr<MDB_env, Close> env_;
  std::array<MDB_dbi, table_numbers> dbis_{};  // by Table
  std::size_t page_bytes_ = 0;
  std::size_t value_bytes_ = 0;
  int file_ = -1;              // LMDB's
  const char* map_ = nullptr;  // the same
  Frozen frozen_commit_;
  std::atomic<const Frozen*> frozen_ = nullptr;  // at it, once it is set
  // The writer's:
  bool can_allocate_;
  std::uint64_t allocated_ = 0;  // of the file, from its start without a hole; 0 is not known yet
  std::uint64_t committed_ = 0;  // the number of the last commit that succeeded
  bool newest_meta_in_doubt_ = false;
  bool writer_lost_ = false;
  bool spoiled_ = false;
  std::uint64_t changes_ = 0;
  std::size_t worked_ = 0;  // since the last look at the map's size
  SoundPaths sound_paths_;
};

}  // namespace relay::spool
