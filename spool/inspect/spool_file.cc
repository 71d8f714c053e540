#include "spool/inspect/spool_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <system_error>

namespace relay::spool {
namespace {

constexpr unsigned max_readers = 510;  // as the relay's, should this program make the table
constexpr int view_attempts = 1000;    // each fails only if a commit ends in its microseconds

std::string reason(int code) { return std::system_category().message(code); }

std::string owner_of(const std::string& path) {
  struct stat s{};
  if (::stat(path.c_str(), &s) != 0) return "its owner";
  const passwd* known = ::getpwuid(s.st_uid);
  return known != nullptr ? fmt::format("the user {}", known->pw_name) : fmt::format("the user {}", s.st_uid);
}

std::unexpected<Error> cannot_open(const std::string& directory, const std::string& file, int code) {
  if (code == EACCES || code == EPERM)
    return fail(Errc::system, fmt::format("you may not open the spool {}: do this as {} or as root",
                                          directory, owner_of(directory)));
  return fail(Errc::system, fmt::format("could not open {}: {}", file, reason(code)));
}

}  // namespace

Result<std::unique_ptr<SpoolFile>> SpoolFile::open(const std::string& directory) {
  std::unique_ptr<SpoolFile> file(new SpoolFile);
  file->directory_ = directory;
  struct stat s{};
  if (::stat(directory.c_str(), &s) != 0) {
    if (errno == EACCES) return cannot_open(directory, directory, errno);
    return fail(Errc::not_found, fmt::format("there is no spool {}: {}", directory, reason(errno)));
  }
  if (!S_ISDIR(s.st_mode))
    return fail(Errc::invalid, fmt::format("{} is not a directory; a spool is one", directory));
  const std::string path = directory + "/data.mdb";
  file->data_ = File(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file->data_.get() < 0) {
    if (errno != ENOENT) return cannot_open(directory, path, errno);
    return fail(Errc::not_found, fmt::format("{} is not a spool: there is no data.mdb in it", directory));
  }
  const MetaPages metas = MetaPages::read(file->data_.get());
  if (!metas.whole[0] && !metas.whole[1]) return MetaPages::neither(path, metas.whole);
  for (std::size_t i = 0; i < 2; ++i) {
    if (metas.whole[i])
      file->page_bytes_ = metas.whole[i]->page_bytes();
    else
      file->meta_faults_[i] = metas.whole[i].error();
  }
  // A page size that is not the file's would lead LMDB out of it.
  if (auto r = metas.heads_agree() ? file->open_lmdb() : file->hold_lock(); !r)
    return std::unexpected(r.error());
  return file;
}

// LMDB serves to enter this program among the readers, and for nothing else.
Result<void> SpoolFile::open_lmdb() {
  const std::string table = directory_ + "/lock.mdb";
  if (auto r = make_reader_table(table); !r) return r;
  MDB_env* raw = nullptr;
  int code = mdb_env_create(&raw);
  env_.reset(raw);
  if (code == 0) code = mdb_env_set_maxreaders(raw, max_readers);
  if (code == 0) code = mdb_env_open(raw, directory_.c_str(), MDB_RDONLY | MDB_NOTLS, 0600);
  if (code == 0) return {};
  env_.reset();
  const bool damaged =
      code == MDB_INVALID || code == MDB_CORRUPTED || code == MDB_VERSION_MISMATCH || code == ENOMEM;
  if (damaged) return hold_lock();  // ENOMEM: a map as large as a damaged meta page says
  if (code == MDB_READERS_FULL)
    return fail(Errc::full, fmt::format("too many programs read the spool {} already", directory_));
  if (code > 0) return cannot_open(directory_, table, code);
  return lmdb_failure(code, fmt::format("open the spool {}", directory_));
}

// Made by root, the table of readers would keep the relay from its own spool: it belongs to the data's owner.
Result<void> SpoolFile::make_reader_table(const std::string& path) const {
  struct stat s{};
  if (::fstat(data_.get(), &s) != 0 || ::access(path.c_str(), F_OK) == 0) return {};
  const File made(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (made.get() < 0) {
    if (errno == EEXIST || errno == EROFS) return {};  // LMDB reads without one where nothing can be written
    return cannot_open(directory_, path, errno);
  }
  if (s.st_uid != ::geteuid() && ::fchown(made.get(), s.st_uid, s.st_gid) != 0)
    return fail(Errc::system, fmt::format("could not give {} to its owner: {}", path, reason(errno)));
  return {};
}

Result<void> SpoolFile::hold_lock() {
  const std::string path = directory_ + "/relay.lock";
  lock_ = File(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (lock_.get() < 0) {
    if (errno == ENOENT) return {};  // no relay has ever run here
    return cannot_open(directory_, path, errno);
  }
  if (::flock(lock_.get(), LOCK_SH | LOCK_NB) == 0) return {};
  return fail(Errc::conflict,
              fmt::format("the spool {} is damaged so that it can only be read while no relay "
                          "runs on it: stop relayd first",
                          directory_));
}

std::uint64_t SpoolFile::file_bytes() const {
  struct stat s{};
  return ::fstat(data_.get(), &s) == 0 ? static_cast<std::uint64_t>(s.st_size) : 0;
}

// The lock is tried only if the process it names lives, so that a relay about to start is not turned away.
std::optional<pid_t> SpoolFile::writer() const {
  const File lock(::open((directory_ + "/relay.lock").c_str(), O_RDONLY | O_CLOEXEC));
  if (lock.get() < 0) return std::nullopt;
  char content[32];
  const ssize_t got = ::pread(lock.get(), content, sizeof content, 0);
  pid_t process = 0;
  if (got <= 0 || std::from_chars(content, content + got, process).ec != std::errc{} || process <= 0)
    return std::nullopt;
  if (::kill(process, 0) != 0 && errno != EPERM) return std::nullopt;
  if (::flock(lock.get(), LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK) return std::nullopt;
  return process;
}

// A meta page is written again two commits later. That a reader who came after it was read is given the same
// commit shows that not even the next one was finished then, so that it was not being written.
bool SpoolFile::still_newest(std::uint64_t commit) const {
  MDB_txn* raw = nullptr;
  if (mdb_txn_begin(env_.get(), nullptr, MDB_RDONLY, &raw) != 0) return false;
  const std::unique_ptr<MDB_txn, decltype(&mdb_txn_abort)> reader(raw, &mdb_txn_abort);
  return mdb_txn_id(raw) == commit;
}

Result<View> SpoolFile::view() {
  View view;
  view.file_ = this;
  for (int i = 0; i < view_attempts; ++i) {
    std::uint64_t commit = 0;
    if (env_) {
      MDB_txn* raw = nullptr;
      if (const int code = mdb_txn_begin(env_.get(), nullptr, MDB_RDONLY, &raw); code == MDB_MAP_RESIZED)
        return fail(Errc::unavailable, "the spool has been made larger meanwhile; try again");
      else if (code != 0)
        return lmdb_failure(code, "begin to read the spool");
      view.pin_.reset(raw);
      commit = mdb_txn_id(raw);
    }
    const auto metas = MetaPages::read(data_.get()).whole;
    const Meta* found = nullptr;
    for (const auto& meta : metas)
      if (meta && (!env_ || meta->commit == commit) && (found == nullptr || meta->commit > found->commit))
        found = &*meta;
    if (found != nullptr && (!env_ || still_newest(commit))) {
      view.meta_ = *found;
      return view;
    }
    view.pin_.reset();
  }
  return fail(Errc::corrupt,
              fmt::format("the meta pages of {} change or are damaged: the newest commit cannot "
                          "be found",
                          directory_));
}

}  // namespace relay::spool
