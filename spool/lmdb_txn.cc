#include <fmt/format.h>

#include <cerrno>

#include "spool/lmdb_env.h"
#include "spool/records.h"

namespace relay::spool {
namespace {

MDB_val val(std::string_view bytes) {
  // LMDB's interface takes keys and values as non-const and does not write to them.
  return {bytes.size(), const_cast<char*>(bytes.data())};
}

}  // namespace

std::unexpected<Error> lmdb_failure(int code, std::string_view doing) {
  std::string sentence = fmt::format("could not {}: {}", doing, mdb_strerror(code));
  switch (code) {
    case MDB_MAP_FULL:
      return fail(Errc::full, fmt::format("could not {}: the spool has grown to its limit", doing));
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case MDB_TXN_FULL:
    case MDB_READERS_FULL: return fail(Errc::full, std::move(sentence));
    case EROFS:
    case EACCES:
    case EPERM:
    case ENOMEM:
    case EAGAIN: return fail(Errc::unavailable, std::move(sentence));
    case MDB_INVALID:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND: return fail(Errc::corrupt, std::move(sentence));
    default: return fail(Errc::system, std::move(sentence));
  }
}

// ---- transactions ----

Result<Txn> Txn::begin(const Environment& environment, unsigned flags) {
  MDB_txn* raw = nullptr;
  if (const int code = mdb_txn_begin(environment.get(), nullptr, flags, &raw); code != 0)
    return lmdb_failure(code, "begin a transaction of the spool");
  Txn txn;
  txn.txn_.reset(raw);
  txn.environment_ = &environment;
  return txn;
}

Result<Txn> Txn::begin_write(Environment& environment) {
  auto txn = begin(environment, 0);
  if (txn) txn->written_ = &environment;
  return txn;
}
Result<Txn> Txn::begin_read(const Environment& environment) { return begin(environment, MDB_RDONLY); }

// LMDB frees the transaction in every case.
Result<void> Txn::commit() {
  if (const int code = mdb_txn_commit(txn_.release()); code != 0) return written_->commit_failed(code);
  return {};
}

Result<std::uint64_t> Txn::entries(Table table) const {
  MDB_stat stat{};
  if (const int code = mdb_stat(txn_.get(), environment_->dbi(table), &stat); code != 0)
    return lmdb_failure(code, "count the spool's records");
  return stat.ms_entries;
}

// ---- cursors ----

Result<Cursor> Cursor::open(const Txn& txn, Table table) {
  MDB_cursor* raw = nullptr;
  if (const int code = mdb_cursor_open(txn.get(), txn.environment().dbi(table), &raw); code != 0)
    return lmdb_failure(code, fmt::format("open the spool's table {}", name(table)));
  Cursor cursor;
  cursor.cursor_.reset(raw);
  cursor.table_ = table;
  return cursor;
}

Result<bool> Cursor::move(std::string_view key, MDB_cursor_op op) {
  key_ = val(key);
  const int code = mdb_cursor_get(cursor_.get(), &key_, &value_, op);
  if (code == 0) return true;
  if (code == MDB_NOTFOUND) return false;
  return lmdb_failure(code, fmt::format("read the spool's table {}", name(table_)));
}

Result<bool> Cursor::before(std::string_view key) {
  const auto found = seek_from(key);
  if (!found) return found;
  return *found ? previous() : last();
}

Result<std::string_view> Cursor::payload() const {
  const auto payload = open_frame(table_, key(), value());
  if (!payload) return damaged();
  return *payload;
}

std::unexpected<Error> Cursor::damaged() const {
  return fail(Errc::corrupt, fmt::format("a record of the spool is damaged: table {}, {}", name(table_),
                                         describe(table_, key())));
}

Result<void> Cursor::put(std::string_view key, std::string_view value) {
  key_ = val(key);
  value_ = val(value);
  if (const int code = mdb_cursor_put(cursor_.get(), &key_, &value_, 0); code != 0)
    return lmdb_failure(code, fmt::format("write to the spool's table {}", name(table_)));
  return {};
}

Result<bool> Cursor::insert(std::string_view key, std::string_view value) {
  key_ = val(key);
  value_ = val(value);
  const int code = mdb_cursor_put(cursor_.get(), &key_, &value_, MDB_NOOVERWRITE);
  if (code == 0) return true;
  if (code == MDB_KEYEXIST) return false;
  return lmdb_failure(code, fmt::format("write to the spool's table {}", name(table_)));
}

Result<char*> Cursor::reserve(std::string_view key, std::size_t bytes) {
  key_ = val(key);
  value_ = {bytes, nullptr};
  if (const int code = mdb_cursor_put(cursor_.get(), &key_, &value_, MDB_RESERVE); code != 0)
    return lmdb_failure(code, fmt::format("write to the spool's table {}", name(table_)));
  return static_cast<char*>(value_.mv_data);
}

Result<void> Cursor::erase() {
  if (const int code = mdb_cursor_del(cursor_.get(), 0); code != 0)
    return lmdb_failure(code, fmt::format("erase from the spool's table {}", name(table_)));
  return {};
}

}  // namespace relay::spool
