#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "spool/lmdb_env.h"
#include "spool/records.h"

namespace relay::spool {
namespace {

constexpr MDB_dbi main_table = 1;  // LMDB's own, of the others' roots

MDB_val val(std::string_view bytes) {
  // LMDB's interface takes keys and values as non-const and does not write to them.
  return {bytes.size(), const_cast<char*>(bytes.data())};
}

constexpr std::size_t longest_key = 511;        // LMDB's
constexpr std::size_t longest_value = 1 << 20;  // the format knows none over a page

// Out of the map, where a page may vanish under the reader.
Result<void> copy(const MDB_val& from, std::size_t longest, std::string& to) {
  if (from.mv_size > longest) return fail(Errc::corrupt, "a row is longer than rows can be");
  to.resize(from.mv_size);
  const auto fault = MapGuard::guarded([&] { std::memcpy(to.data(), from.mv_data, from.mv_size); });
  if (fault != MapGuard::Fault::none) return fail(Errc::corrupt, std::string(text(fault)));
  return {};
}

// Of a call that only reads: the transaction may be given up. To the writer it is damage, whatever the disk
// may give later.
std::unexpected<Error> fault_failure(MapGuard::Fault fault, std::string_view doing,
                                     Errc unreadable = Errc::corrupt) {
  const Errc code = fault == MapGuard::Fault::unreadable ? unreadable : Errc::corrupt;
  return fail(code, fmt::format("could not {}: {}", doing, text(fault)));
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
    case MDB_CURSOR_FULL:
    case MDB_PAGE_NOTFOUND: return fail(Errc::corrupt, std::move(sentence));
    default: return fail(Errc::system, std::move(sentence));
  }
}

// ---- transactions ----

void Txn::Abort::operator()(MDB_txn* txn) const {
  if (written == nullptr || !written->writer_lost()) mdb_txn_abort(txn);
}

Result<Txn> Txn::begin(const Environment& environment, Environment* written) {
  constexpr std::string_view doing = "begin a transaction of the spool";
  MDB_txn* raw = nullptr;
  int code = 0;
  const auto begin = [&] {
    code = mdb_txn_begin(environment.get(), nullptr, written != nullptr ? 0 : MDB_RDONLY, &raw);
  };
  if (written != nullptr) {
    if (written->writer_lost())
      return fail(Errc::system, "the spool can only be read since LMDB met a fault");
    if (auto r = written->change(begin); !r) return std::unexpected(r.error());
  } else if (const auto fault = MapGuard::guarded(begin); fault != MapGuard::Fault::none) {
    return fault_failure(fault, doing, Errc::system);
  }
  if (code != 0) return lmdb_failure(code, doing);
  Txn txn;
  txn.txn_ = {raw, Abort{written}};
  txn.environment_ = &environment;
  txn.written_ = written;
  return txn;
}

Result<Txn> Txn::begin_write(Environment& environment) {
  environment.begin_writing();
  return begin(environment, &environment);
}

Result<Txn> Txn::begin_read(const Environment& environment) {
  const Frozen* frozen = environment.frozen();
  if (frozen == nullptr) {
    auto begun = begin(environment, nullptr);
    if (begun) return begun;
    frozen = environment.frozen();  // since
    if (frozen == nullptr) return begun;
  }
  Txn txn;
  txn.environment_ = &environment;
  txn.frozen_ = frozen;
  return txn;
}

std::uint64_t Txn::commit_number() const {
  return frozen_ != nullptr ? frozen_->commit : mdb_txn_id(txn_.get());
}

// LMDB frees the transaction in every case.
Result<void> Txn::commit() {
  MDB_txn* raw = txn_.release();
  int code = 0;
  if (auto r = written_->change([&] { code = mdb_txn_commit(raw); }); !r) return r;
  if (code != 0) return written_->commit_failed(code);
  written_->committed();
  return {};
}

Result<const char*> Txn::map_entry(Table table) const {
  const std::string doing = fmt::format("find the spool's table {}", name(table));
  MDB_val key = val(name(table));
  MDB_val value{};
  int code = 0;
  const auto fault = MapGuard::guarded([&] { code = mdb_get(txn_.get(), main_table, &key, &value); });
  if (fault != MapGuard::Fault::none) return fault_failure(fault, doing, Errc::system);
  if (code == 0 && value.mv_size == TreeRoot::bytes) return static_cast<const char*>(value.mv_data);
  return lmdb_failure(code == 0 || code == MDB_NOTFOUND ? MDB_CORRUPTED : code, doing);
}

Result<TreeRoot> Txn::root(Table table) const {
  if (frozen_ != nullptr) return frozen_->roots[static_cast<std::size_t>(table)];
  const auto entry = map_entry(table);
  if (!entry) return std::unexpected(entry.error());
  std::array<char, TreeRoot::bytes> root{};
  const auto fault = MapGuard::guarded([&] { std::memcpy(root.data(), *entry, root.size()); });
  if (fault != MapGuard::Fault::none) return fault_failure(fault, "find the spool's tables", Errc::system);
  return *TreeRoot::parse({root.data(), root.size()});
}

Result<std::uint64_t> Txn::entries(Table table) const {
  const auto found = root(table);
  if (!found) return std::unexpected(found.error());
  return found->entries;
}

bool Txn::usable() const {
  MDB_stat stat{};
  return !(written_ != nullptr && written_->spoiled()) && mdb_stat(txn_.get(), main_table, &stat) == 0;
}

// ---- cursors ----

Result<Cursor> Cursor::open(const Txn& txn, Table table) {
  Cursor cursor;
  cursor.txn_ = &txn;
  cursor.table_ = table;
  if (auto r = cursor.reopen(); !r) return std::unexpected(r.error());
  return cursor;
}

Result<void> Cursor::reopen() {
  on_row_ = false;
  cursor_.reset();
  MDB_cursor* raw = nullptr;
  int code = 0;
  const auto doing = [this] { return fmt::format("open the spool's table {}", name(table_)); };
  MDB_txn* txn = txn_->get();
  const MDB_dbi dbi = txn_->environment().dbi(table_);
  const auto fault = MapGuard::guarded([&] { code = mdb_cursor_open(txn, dbi, &raw); });
  if (fault != MapGuard::Fault::none) return fault_failure(fault, doing());
  if (code != 0) return lmdb_failure(code, doing());
  cursor_.reset(raw);
  return {};
}

Result<bool> Cursor::move(std::string_view key, MDB_cursor_op op) {
  on_row_ = false;
  SoundPaths& paths = txn_->written()->sound_paths();
  if (!key.empty())
    if (auto r = check(key, SoundPaths::Use::look); !r) return std::unexpected(r.error());
  MDB_val at = val(key);
  MDB_val value{};
  int code = 0;
  const auto fault = MapGuard::guarded([&] { code = mdb_cursor_get(cursor_.get(), &at, &value, op); });
  if (fault != MapGuard::Fault::none) return astray(key, text(fault));
  if (code == MDB_NOTFOUND) return false;
  if (code != 0) return lmdb_failure(code, fmt::format("read the spool's table {}", name(table_)));
  const auto page = txn_->environment().page_at(static_cast<const char*>(at.mv_data));
  if (page && !paths.sound_leaf(txn_->environment(), *page))
    return astray(key, fmt::format("page {} is damaged", *page));
  if (auto r = copy(at, longest_key, key_); !r) return astray(key, r.error().message);
  found_ = value;
  on_row_ = true;
  return true;
}

// LMDB has stepped onto a page that is not sound, behind the one that was checked. It must not find its
// cursor there again. What was looked for is the rows of one message: if they cannot reach so far, that was
// the end of them.
Result<bool> Cursor::astray(std::string_view wanted, std::string_view what) {
  constexpr std::size_t message_bytes = 16;
  const std::string from(wanted.empty() ? std::string_view(key_) : wanted);
  const auto prefix = std::string_view(from).substr(0, begins_with_id(table_) ? message_bytes : from.size());
  if (auto r = reopen(); !r) {
    txn_->written()->spoil();
    return std::unexpected(r.error());
  }
  if (txn_->written()->sound_paths().ends(table_, from, prefix)) return false;
  return fail(Errc::corrupt, fmt::format("could not read the spool's table {}: {}", name(table_), what));
}

Result<std::string_view> Cursor::value() {
  if (auto r = copy(found_, longest_value, value_); !r)
    return fail(Errc::corrupt, fmt::format("a record of the spool is damaged: table {}, {}: {}", name(table_),
                                           describe(table_, key_), r.error().message));
  return value_;
}

Result<Payload> Cursor::payload() {
  if (auto r = value(); !r) return std::unexpected(r.error());
  const auto payload = open_frame(table_, key_, value_);
  if (!payload) return damaged();
  return *payload;
}

Result<void> Cursor::check(std::string_view key, SoundPaths::Use use) {
  return txn_->written()->sound_paths().check(*txn_, table_, key, use);
}

Result<int> Cursor::put(std::string_view key, MDB_val& value, unsigned flags) {
  Environment& environment = *txn_->written();
  if (auto r = check(key, SoundPaths::Use::put); !r) return std::unexpected(r.error());
  MDB_val at = val(key);
  int code = 0;
  if (auto r = environment.change([&] { code = mdb_cursor_put(cursor_.get(), &at, &value, flags); }); !r)
    return std::unexpected(r.error());
  if (code != 0 && code != MDB_KEYEXIST)
    return lmdb_failure(code, fmt::format("write to the spool's table {}", name(table_)));
  return code;
}

Result<void> Cursor::put(std::string_view key, std::string_view value) {
  MDB_val bytes = val(value);
  const auto done = put(key, bytes, 0);
  return done ? Result<void>() : std::unexpected(done.error());
}

Result<bool> Cursor::insert(std::string_view key, std::string_view value) {
  MDB_val bytes = val(value);
  const auto done = put(key, bytes, MDB_NOOVERWRITE);
  if (!done) return std::unexpected(done.error());
  return *done == 0;
}

Result<char*> Cursor::reserve(std::string_view key, std::size_t bytes) {
  MDB_val value{bytes, nullptr};
  const auto done = put(key, value, MDB_RESERVE);
  if (!done) return std::unexpected(done.error());
  return static_cast<char*>(value.mv_data);
}

Result<void> Cursor::erase() {
  Environment& environment = *txn_->written();
  if (auto r = check_erase(); !r) return r;
  MDB_val at{};
  MDB_val value{};
  int code = 0;
  const auto fault =
      MapGuard::guarded([&] { code = mdb_cursor_get(cursor_.get(), &at, &value, MDB_GET_CURRENT); });
  if (fault == MapGuard::Fault::none && code == 0)
    if (auto r = check_value_pages(value); !r) return r;
  if (auto r = environment.change([&] { code = mdb_cursor_del(cursor_.get(), 0); }); !r) return r;
  if (code != 0) return lmdb_failure(code, fmt::format("erase from the spool's table {}", name(table_)));
  return {};
}

// LMDB frees as many pages as the head of a long value says it has.
Result<void> Cursor::check_value_pages(const MDB_val& value) const {
  const std::size_t page_bytes = txn_->environment().page_bytes();
  const std::size_t longest_node = ((page_bytes - page_header_bytes) / 2 & ~std::size_t{1}) - 2;
  constexpr std::size_t node_header_bytes = 8;
  if (node_header_bytes + key_.size() + value.mv_size <= longest_node) return {};
  std::array<char, page_header_bytes> head{};
  const auto fault = MapGuard::guarded(
      [&] { std::memcpy(head.data(), static_cast<const char*>(value.mv_data) - head.size(), head.size()); });
  const auto damaged = [&](std::string_view what) {
    return fail(Errc::corrupt, fmt::format("a record of the spool cannot be erased: table {}, {}: {}",
                                           name(table_), describe(table_, key_), what));
  };
  if (fault != MapGuard::Fault::none) return damaged(text(fault));
  const auto number = txn_->environment().page_at(static_cast<const char*>(value.mv_data) - head.size());
  if (!sound_overflow_head({head.data(), head.size()}, number, overflow_pages_for(value.mv_size, page_bytes)))
    return damaged("the head of its page is damaged");
  return {};
}

}  // namespace relay::spool
