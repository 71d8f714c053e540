// The spool's files: how a new one is made, and how one that is there is opened.
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
#include "spool/lmdb_env.h"
#include "spool/preflight.h"

namespace relay::spool {
namespace {

std::string reason(int code) { return std::system_category().message(code); }

// Who holds a lock file: its content, a process id.
std::string holder(int descriptor) {
  char content[32];
  const ssize_t got = ::pread(descriptor, content, sizeof content, 0);
  long process = 0;
  if (got > 0 && std::from_chars(content, content + got, process).ec == std::errc{})
    return fmt::format("process {}", process);
  return "another process";
}

Result<void> keep_names(const std::string& directory) {
  const int code = sync_directory(directory);
  if (code == 0) return {};
  return fail(Errc::system, fmt::format("could not sync the directory {}: {}", directory, reason(code)));
}

}  // namespace

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

// A new spool is made aside and moved to its place whole, so that a crash meanwhile leaves none, and a file
// that is empty or lacks a table is damage and nothing else.
Result<void> Environment::make_file() {
  struct stat there{};
  if (::stat(data_file().c_str(), &there) == 0) return {};
  if (errno != ENOENT)
    return fail(Errc::system, fmt::format("could not open {}: {}", data_file(), reason(errno)));
  const std::string aside = settings_.directory + "/making";
  std::error_code error;
  std::filesystem::remove_all(aside, error);
  if (::mkdir(aside.c_str(), 0700) != 0)
    return fail(Errc::system, fmt::format("could not make {}: {}", aside, reason(errno)));
  if (auto r = fill_new(aside); !r) return r;
  if (::rename((aside + "/data.mdb").c_str(), data_file().c_str()) != 0)
    return fail(Errc::system, fmt::format("could not make {}: {}", data_file(), reason(errno)));
  std::filesystem::remove_all(aside, error);
  if (settings_.durability == Durability::none) return {};
  if (auto r = keep_names(settings_.directory); !r) return r;
  const std::filesystem::path parent = std::filesystem::absolute(settings_.directory, error).parent_path();
  return error ? Result<void>() : keep_names(parent.string());
}

Result<void> Environment::fill_new(const std::string& directory) {
  const std::string doing = fmt::format("make the spool {}", settings_.directory);
  MDB_env* raw = nullptr;
  int code = mdb_env_create(&raw);
  const std::unique_ptr<MDB_env, Close> owner(raw);
  if (code == 0) code = mdb_env_set_maxdbs(raw, all_tables.size());
  const unsigned flags = settings_.durability == Durability::none ? MDB_NOSYNC : 0;
  if (code == 0) code = mdb_env_open(raw, directory.c_str(), flags, 0600);
  MDB_txn* txn = nullptr;
  if (code == 0) code = mdb_txn_begin(raw, nullptr, 0, &txn);
  MDB_dbi meta = 0;
  for (const Table table : all_tables) {
    MDB_dbi made = 0;
    if (code == 0) code = mdb_dbi_open(txn, std::string(name(table)).c_str(), MDB_CREATE, &made);
    if (table == Table::meta) meta = made;
  }
  const auto put = [&](std::string key, std::string value) {
    MDB_val k{key.size(), key.data()};
    MDB_val v{value.size(), value.data()};
    if (code == 0) code = mdb_put(txn, meta, &k, &v, 0);
  };
  put("format", std::string(format_version));
  put("created", format_rfc3339(system_wall()));
  if (code == 0)
    code = mdb_txn_commit(txn);
  else if (txn != nullptr)
    mdb_txn_abort(txn);
  if (code != 0) return lmdb_failure(code, doing);
  return {};
}

Result<void> Environment::check_file() {
  const File file(::open(data_file().c_str(), O_RDWR | O_CLOEXEC));
  if (file.get() < 0)
    return fail(Errc::system, fmt::format("could not open {}: {}", data_file(), reason(errno)));
  const auto found = preflight(file.get(), data_file());
  if (!found) return std::unexpected(found.error());
  for (const std::string& warning : found->warnings) log::error("spool: {}", warning);
  format_ = found->format;
  return {};
}

}  // namespace relay::spool
