#include "spool/inspect/backup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <stop_token>
#include <system_error>
#include <thread>

#include "spool/inspect/page_account.h"

namespace relay::spool {
namespace {

constexpr auto report_every = std::chrono::milliseconds(200);

std::unexpected<Error> failed(std::string_view doing, const std::string& path, int code) {
  return fail(code == ENOSPC || code == EDQUOT ? Errc::full : Errc::system,
              fmt::format("could not {} {}: {}", doing, path, std::system_category().message(code)));
}

std::uint64_t size_of(int descriptor) {
  struct stat s{};
  return ::fstat(descriptor, &s) == 0 ? static_cast<std::uint64_t>(s.st_size) : 0;
}

// The directory a backup is made in; removed with what is in it unless it was kept.
class Partial {
 public:
  static Result<Partial> make(const std::string& destination) {
    Partial partial;
    std::string pattern = destination + ".part-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr)
      return failed("make the directory", pattern, errno);  // mode 0700
    partial.path_ = pattern;
    return partial;
  }
  Partial(Partial&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  Partial& operator=(Partial&&) = delete;
  ~Partial() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  void keep() { path_.clear(); }

 private:
  Partial() = default;
  std::string path_;
};

// Tells the size of a growing file until it goes.
class Watch {
 public:
  Watch(int descriptor, const std::function<void(std::uint64_t)>& written)
      : thread_([this, descriptor, &written](const std::stop_token& stop) {
          std::unique_lock lock(mutex_);
          while (!changed_.wait_for(lock, stop, report_every, [&] { return stop.stop_requested(); }))
            written(size_of(descriptor));
        }) {}

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::jthread thread_;
};

// LMDB reads for a compact copy by its map, and would go astray in a damaged tree.
Result<void> sound_pages(SpoolFile& file) {
  const auto view = file.view();
  if (!view) return std::unexpected(view.error());
  Faults faults([](const Fault&) {});
  account_pages(*view, find_tables(*view, faults), faults);
  if (faults.count() == 0) return {};
  return fail(Errc::corrupt,
              fmt::format("pages of the spool {} are damaged, so it cannot be compacted: back it up without "
                          "--compact, and see relayctl spool check",
                          file.directory()));
}

Result<std::uint64_t> copy(SpoolFile& file, bool compact, const std::string& path,
                           const std::function<void(std::uint64_t)>& written) {
  const File data(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (data.get() < 0) return failed("make", path, errno);
  int code = 0;
  {
    const Watch watch(data.get(), written);
    code = mdb_env_copyfd2(file.lmdb(), data.get(), compact ? MDB_CP_COMPACT : 0);
  }
  if (code == MDB_INCOMPATIBLE)
    return fail(Errc::corrupt,
                fmt::format("the spool {} cannot be compacted, as some of its pages have no use; back it "
                            "up without --compact",
                            file.directory()));
  if (code == EFAULT) return failed("read", file.directory() + "/data.mdb", EIO);  // behind a page of the map
  if (code > 0) return failed("write", path, code);
  if (code != 0) return lmdb_failure(code, fmt::format("copy the spool {}", file.directory()));
  if (::fsync(data.get()) != 0) return failed("sync", path, errno);
  return size_of(data.get());
}

}  // namespace

Result<std::uint64_t> backup(SpoolFile& file, const BackupOptions& options,
                             const std::function<void(std::uint64_t)>& written) {
  std::filesystem::path destination(options.destination);
  if (!destination.has_filename()) destination = destination.parent_path();  // "backup/"
  struct stat s{};
  if (::lstat(destination.c_str(), &s) == 0)
    return fail(Errc::conflict, fmt::format("{} exists already; a backup is made anew and overwrites nothing",
                                            destination.string()));
  if (file.lmdb() == nullptr)
    return fail(
        Errc::corrupt,
        fmt::format("a meta page of the spool {} is damaged, and LMDB does not open it: copy its data.mdb as "
                    "it is, and save the mail with relayctl spool export",
                    file.directory()));
  if (options.compact)
    if (auto r = sound_pages(file); !r) return std::unexpected(r.error());
  auto partial = Partial::make(destination.string());
  if (!partial) return std::unexpected(partial.error());
  const auto bytes = copy(file, options.compact, partial->path() + "/data.mdb", written);
  if (!bytes) return bytes;
  if (const int code = sync_directory(partial->path()); code != 0)
    return failed("sync", partial->path(), code);
  if (::renameat2(AT_FDCWD, partial->path().c_str(), AT_FDCWD, destination.c_str(), RENAME_NOREPLACE) != 0 &&
      (errno != EINVAL ||
       ::rename(partial->path().c_str(), destination.c_str()) != 0))  // not on every file system
    return failed("rename the finished backup to", destination.string(), errno);
  partial->keep();
  const auto parent = destination.has_parent_path() ? destination.parent_path() : std::filesystem::path(".");
  if (const int code = sync_directory(parent.string()); code != 0)
    return failed("sync", parent.string(), code);
  return bytes;
}

}  // namespace relay::spool
