#include "spool/lmdb_env.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "mta/base/process.h"
#include "spool/preflight.h"

namespace relay::spool {
namespace {

constexpr unsigned max_readers = 510;  // at one moment; each thread holds one for microseconds

}  // namespace

Environment::Environment(const LmdbSettings& settings)
    : settings_(settings), can_allocate_(settings.durability != Durability::none) {}

Result<std::unique_ptr<Environment>> Environment::open(const LmdbSettings& settings) {
  std::unique_ptr<Environment> environment(new Environment(settings));
  for (const auto step :
       {&Environment::make_directory, &Environment::lock, &Environment::make_file, &Environment::check_file,
        &Environment::open_env, &Environment::open_tables, &Environment::find_map})
    if (auto r = (*environment.*step)(); !r) return std::unexpected(r.error());
  return environment;
}

Result<void> Environment::open_env() {
  const std::string doing = fmt::format("open the spool {}", settings_.directory);
  MapGuard::install();
  MDB_env* raw = nullptr;
  if (const int code = mdb_env_create(&raw); code != 0) return lmdb_failure(code, doing);
  env_.reset(raw);
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  settings_.map_bytes = std::max(settings_.map_bytes / page * page, 64 * page);
  // No read-ahead: look-ups are random, and pages nobody asked for push out those in use. No thread-local
  // readers: a thread may read while it holds another reading, as in a callback of claim().
  const unsigned flags = MDB_NOTLS | MDB_NORDAHEAD |
                         (settings_.durability == Durability::none ? MDB_NOSYNC : 0) |
                         (settings_.durability == Durability::relaxed ? MDB_NOMETASYNC : 0);
  int code = mdb_env_set_mapsize(raw, settings_.map_bytes);
  if (code == 0) code = mdb_env_set_maxdbs(raw, all_tables.size());
  if (code == 0) code = mdb_env_set_maxreaders(raw, max_readers);
  if (code == 0) code = mdb_env_set_assert(raw, [](MDB_env*, const char*) { MapGuard::assertion_failed(); });
  if (code == 0) code = mdb_env_open(raw, settings_.directory.c_str(), flags, 0600);
  if (code == 0) code = mdb_env_get_fd(raw, &file_);
  if (code != 0) return lmdb_failure(code, doing);
  MDB_stat stat{};
  mdb_env_stat(raw, &stat);
  page_bytes_ = stat.ms_psize;
  value_bytes_ = page_bytes_ - page_header_bytes;
  return {};
}

Result<void> Environment::open_tables() {
  auto txn = Txn::begin_write(*this);
  if (!txn) return std::unexpected(txn.error());
  for (const Table table : all_tables) {
    int code = 0;
    MDB_dbi& dbi = dbis_[static_cast<std::size_t>(table)];
    const std::string table_name(name(table));
    const unsigned flags = since_format(table) > format_ ? MDB_CREATE : 0;
    if (auto r = change([&] { code = mdb_dbi_open(txn->get(), table_name.c_str(), flags, &dbi); }); !r)
      return r;
    if (code != 0) return lmdb_failure(code, fmt::format("open the spool's table {}", name(table)));
  }
  if (auto r = renew_format(*txn); !r) return r;
  return txn->commit();
}

// A file of an older format has what the newer adds from now on, and is refused by programs that would
// misread it.
Result<void> Environment::renew_format(const Txn& txn) {
  if (format_number(format_version) == format_) return {};
  auto meta = Cursor::open(txn, Table::meta);
  if (!meta) return std::unexpected(meta.error());
  return meta->put("format", format_version);
}

// LMDB does not tell where its map lies. The page that names the tables, which has been found sound, lies in
// it where its number says.
Result<void> Environment::find_map() {
  committed();
  auto txn = Txn::begin_read(*this);
  if (!txn) return std::unexpected(txn.error());
  const auto entry = txn->map_entry(Table::meta);
  if (!entry) return std::unexpected(entry.error());
  const char* page = *entry - reinterpret_cast<std::uintptr_t>(*entry) % page_bytes_;
  PageNumber number = 0;
  std::memcpy(&number, page, sizeof number);
  map_ = page - number * page_bytes_;
  return {};
}

// One without changes has no number of its own.
void Environment::committed() {
  MDB_envinfo newest{};
  mdb_env_info(env_.get(), &newest);
  committed_ = newest.me_last_txnid;
}

std::optional<PageNumber> Environment::page_at(const char* address) const {
  const auto start = reinterpret_cast<std::uintptr_t>(map_);
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  if (map_ == nullptr || at < start || at - start >= settings_.map_bytes) return std::nullopt;
  return (at - start) / page_bytes_;
}

PageSource Environment::pages() const {
  MDB_envinfo info{};
  mdb_env_info(env_.get(), &info);
  return {file_, page_bytes_, info.me_last_pgno};
}

void Environment::worked(std::size_t operations) {
  constexpr std::size_t operations_a_look = 256;  // each touches a few pages; 16 are mapped for one
  worked_ += operations;
  if (worked_ < operations_a_look || map_ == nullptr) return;
  worked_ = 0;
  if (process_memory().mapped_bytes <= settings_.mapped_bytes) return;
  ::madvise(const_cast<char*>(map_), settings_.map_bytes, MADV_DONTNEED);
}

std::unexpected<Error> Environment::lose_writer(MapGuard::Fault fault) {
  writer_lost_ = true;
  return fail(Errc::system,
              fmt::format("could not write to the spool {}: {}", settings_.directory, text(fault)));
}

}  // namespace relay::spool
