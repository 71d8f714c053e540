#include "spool/lmdb_env.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <system_error>

#include "mta/base/clock.h"
#include "mta/base/log.h"

namespace relay::spool {
namespace {

constexpr std::string_view format_version = "1";
constexpr std::size_t page_header_bytes = 16;  // of an LMDB page
constexpr unsigned max_readers = 510;          // at one moment; each thread holds one for microseconds

std::string reason(int code) { return std::system_category().message(code); }

MDB_val val(std::string_view bytes) { return {bytes.size(), const_cast<char*>(bytes.data())}; }

// Who holds a lock file: its content, a process id.
std::string holder(int descriptor) {
  char content[32];
  const ssize_t got = ::pread(descriptor, content, sizeof content, 0);
  long process = 0;
  if (got > 0 && std::from_chars(content, content + got, process).ec == std::errc{})
    return fmt::format("process {}", process);
  return "another process";
}

}  // namespace

Environment::Environment(const LmdbSettings& settings)
    : settings_(settings), can_allocate_(settings.durability != Durability::none) {}

Result<std::unique_ptr<Environment>> Environment::open(const LmdbSettings& settings) {
  std::unique_ptr<Environment> environment(new Environment(settings));
  if (auto r = environment->make_directory(); !r) return std::unexpected(r.error());
  if (auto r = environment->lock(); !r) return std::unexpected(r.error());
  if (auto r = environment->discard_beginnings(); !r) return std::unexpected(r.error());
  if (auto r = environment->open_env(); !r) return std::unexpected(r.error());
  if (auto r = environment->check_format(); !r) return std::unexpected(r.error());
  if (auto r = environment->open_tables(); !r) return std::unexpected(r.error());
  return environment;
}

Result<void> Environment::make_directory() {
  const std::filesystem::path directory(settings_.directory);
  std::error_code error;
  if (directory.has_parent_path()) std::filesystem::create_directories(directory.parent_path(), error);
  if (!error && ::mkdir(directory.c_str(), 0700) == 0) return {};
  if (!error && errno == EEXIST && std::filesystem::is_directory(directory, error)) return {};
  return fail(Errc::system, fmt::format("could not make the spool directory {}: {}", settings_.directory,
                                        error ? error.message() : reason(errno)));
}

// flock(2), because it goes with the process however that ends. LMDB's own lock file serves its readers and
// would let a second writer in.
Result<void> Environment::lock() {
  const std::string path = settings_.directory + "/relay.lock";
  lock_ = File(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (lock_.get() < 0) return fail(Errc::system, fmt::format("could not open {}: {}", path, reason(errno)));
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK)
      return fail(Errc::system, fmt::format("could not lock {}: {}", path, reason(errno)));
    return fail(Errc::conflict, fmt::format("the spool {} is in use by {}, which holds {}",
                                            settings_.directory, holder(lock_.get()), path));
  }
  const std::string process = fmt::format("{}\n", ::getpid());
  if (::ftruncate(lock_.get(), 0) != 0 || ::pwrite(lock_.get(), process.data(), process.size(), 0) < 0)
    return fail(Errc::full, fmt::format("could not write {}: {}", path, reason(errno)));
  return {};
}

// LMDB's two meta pages are written before all else. A process that ended meanwhile leaves a file that cannot
// be opened and has nothing in it. Page 0 begins with its number, eight bytes of zero, unlike a file that is
// something else.
Result<void> Environment::discard_beginnings() const {
  const std::string path = settings_.directory + "/data.mdb";
  const File file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  struct stat now{};
  if (file.get() < 0 || ::fstat(file.get(), &now) != 0) return {};  // LMDB will say why
  if (now.st_size == 0 || now.st_size > 2 * ::sysconf(_SC_PAGESIZE)) return {};
  std::array<char, 8> number{};
  const ssize_t got = ::pread(file.get(), number.data(), number.size(), 0);
  if (got <= 0 || number != std::array<char, 8>{}) return {};
  log::info("spool: {} was begun and never used; it is made anew", path);
  if (::ftruncate(file.get(), 0) == 0) return {};
  return fail(Errc::system, fmt::format("could not empty {}: {}", path, reason(errno)));
}

Result<void> Environment::open_env() {
  const std::string doing = fmt::format("open the spool {}", settings_.directory);
  MDB_env* raw = nullptr;
  if (const int code = mdb_env_create(&raw); code != 0) return lmdb_failure(code, doing);
  env_.reset(raw);
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  settings_.map_bytes = std::max(settings_.map_bytes / page * page, 64 * page);
  // No read-ahead: look-ups are random, and pages nobody asked for push out those in use. No thread-local
  // readers: a thread may read while it holds another reading, as in a callback of scan_queue.
  const unsigned flags = MDB_NOTLS | MDB_NORDAHEAD |
                         (settings_.durability == Durability::none ? MDB_NOSYNC : 0) |
                         (settings_.durability == Durability::relaxed ? MDB_NOMETASYNC : 0);
  int code = mdb_env_set_mapsize(raw, settings_.map_bytes);
  if (code == 0) code = mdb_env_set_maxdbs(raw, all_tables.size());
  if (code == 0) code = mdb_env_set_maxreaders(raw, max_readers);
  if (code == 0) code = mdb_env_open(raw, settings_.directory.c_str(), flags, 0600);
  if (code != 0) return lmdb_failure(code, doing);
  MDB_stat stat{};
  mdb_env_stat(raw, &stat);
  page_bytes_ = stat.ms_psize;
  value_bytes_ = page_bytes_ - page_header_bytes;
  return {};
}

// The version is plain text outside of any frame, so that every later format can tell it too.
Result<void> Environment::check_format() {
  auto txn = Txn::begin_write(*this);
  if (!txn) return std::unexpected(txn.error());
  const std::string doing = fmt::format("read the format of the spool {}", settings_.directory);
  MDB_dbi root = 0;
  MDB_stat stat{};
  int code = mdb_dbi_open(txn->get(), nullptr, 0, &root);
  if (code == 0) code = mdb_stat(txn->get(), root, &stat);
  if (code != 0) return lmdb_failure(code, doing);
  const bool fresh = stat.ms_entries == 0;
  MDB_dbi meta = 0;
  code = mdb_dbi_open(txn->get(), std::string(name(Table::meta)).c_str(), fresh ? MDB_CREATE : 0, &meta);
  if (code == MDB_NOTFOUND)
    return fail(Errc::invalid, fmt::format("{} holds an LMDB file that is not a spool", settings_.directory));
  if (code != 0) return lmdb_failure(code, doing);
  MDB_val key = val("format");
  MDB_val value = val(format_version);
  if (!fresh) {
    code = mdb_get(txn->get(), meta, &key, &value);
    if (code != 0) return lmdb_failure(code, doing);
    const std::string_view found(static_cast<const char*>(value.mv_data), value.mv_size);
    if (found == format_version) return {};
    return fail(Errc::invalid,
                fmt::format("the spool {} has format {:?}, and this program knows format {} only: it was "
                            "written by another version of the relay",
                            settings_.directory, found.substr(0, 20), format_version));
  }
  code = mdb_put(txn->get(), meta, &key, &value, 0);
  const std::string created = format_rfc3339(system_wall());
  key = val("created");
  value = val(created);
  if (code == 0) code = mdb_put(txn->get(), meta, &key, &value, 0);
  if (code != 0) return lmdb_failure(code, doing);
  return txn->commit();
}

Result<void> Environment::open_tables() {
  auto txn = Txn::begin_write(*this);
  if (!txn) return std::unexpected(txn.error());
  for (const Table table : all_tables) {
    const int code = mdb_dbi_open(txn->get(), std::string(name(table)).c_str(), MDB_CREATE,
                                  &dbis_[static_cast<std::size_t>(table)]);
    if (code != 0) return lmdb_failure(code, fmt::format("open the spool's table {}", name(table)));
  }
  return txn->commit();
}

}  // namespace relay::spool
