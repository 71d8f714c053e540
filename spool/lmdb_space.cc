// Whether there is room for new mail: the map's limit, the disk, and the free pages inside the file.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "spool/lmdb_env.h"

namespace relay::spool {

// Pages that commits have freed and later ones may reuse: the lists of LMDB's table 0, each with its length
// in front.
Result<std::uint64_t> Environment::free_bytes() const {
  const std::string_view doing = "count the spool's free pages";
  auto txn = Txn::begin_read(*this);
  if (!txn) return std::unexpected(txn.error());
  MDB_cursor* cursor = nullptr;
  if (const int code = mdb_cursor_open(txn->get(), 0, &cursor); code != 0) return lmdb_failure(code, doing);
  const std::unique_ptr<MDB_cursor, decltype(&mdb_cursor_close)> owner(cursor, &mdb_cursor_close);
  std::uint64_t pages = 0;
  MDB_val key{};
  MDB_val value{};
  int code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
  for (; code == 0; code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
    std::size_t length = 0;
    if (value.mv_size >= sizeof length) std::memcpy(&length, value.mv_data, sizeof length);
    pages += length;
  }
  if (code != MDB_NOTFOUND) return lmdb_failure(code, doing);
  return pages * page_bytes_;
}

Result<std::uint64_t> Environment::disk_bytes() const {
  struct statvfs disk{};
  if (::statvfs(settings_.directory.c_str(), &disk) != 0)
    return fail(Errc::system, fmt::format("could not ask for the free space of {}: {}", settings_.directory,
                                          std::system_category().message(errno)));
  return std::uint64_t{disk.f_bavail} * disk.f_frsize;
}

// Sees to it that the disk's blocks under the first `end` bytes of the file are ours, so that others who fill
// the disk cannot take what is kept for outcomes; goes ahead by a step each time. Answers how much is ours.
Result<std::uint64_t> Environment::allocate(std::uint64_t used, std::uint64_t end) {
  constexpr std::uint64_t step = 32u << 20;
  mdb_filehandle_t file = -1;
  mdb_env_get_fd(env_.get(), &file);
  if (allocated_ == 0) {
    struct stat now{};
    if (::fstat(file, &now) == 0)
      allocated_ = std::min<std::uint64_t>(std::uint64_t(now.st_blocks) * 512, std::uint64_t(now.st_size));
  }
  if (allocated_ >= end) return allocated_;
  const std::uint64_t target = std::min(end + step, settings_.map_bytes);
  if (can_allocate_) {
    if (::fallocate(file, 0, 0, static_cast<off_t>(target)) == 0) {
      allocated_ = target;
    } else if (errno == EOPNOTSUPP || errno == ENOSYS) {
      can_allocate_ = false;
    } else if (errno != ENOSPC && errno != EDQUOT && errno != EFBIG && errno != EINTR) {
      return fail(Errc::system, fmt::format("could not make room for the spool {}: {}", settings_.directory,
                                            std::system_category().message(errno)));
    }
  }
  if (can_allocate_) return allocated_;
  const auto disk = disk_bytes();
  if (!disk) return disk;
  return used + *disk;
}

Result<bool> Environment::has_room(std::uint64_t bytes) {
  MDB_envinfo info{};
  mdb_env_info(env_.get(), &info);
  const std::uint64_t used = (info.me_last_pgno + 1) * page_bytes_;
  const std::uint64_t needed = bytes + std::min<std::uint64_t>(settings_.reserve_bytes, info.me_mapsize / 8);
  const auto ours = allocate(used, used + needed);
  if (!ours) return std::unexpected(ours.error());
  const std::uint64_t end = std::min<std::uint64_t>(*ours, info.me_mapsize);
  const std::uint64_t growth = end > used ? end - used : 0;
  if (growth >= needed) return true;
  // The file cannot grow by that much; pages inside it may be free. Counting them is slow, so a count serves
  // until what was taken since has used it up.
  if (growth + free_estimate_ < needed) {
    const auto free = free_bytes();
    if (!free) return std::unexpected(free.error());
    free_estimate_ = *free;
  }
  if (growth + free_estimate_ < needed) return false;
  free_estimate_ -= std::min(free_estimate_, bytes);
  return true;
}

Result<Space> Environment::space() const {
  mdb_filehandle_t file = -1;
  struct stat now{};
  if (mdb_env_get_fd(env_.get(), &file) != 0 || ::fstat(file, &now) != 0)
    return fail(Errc::system, fmt::format("could not ask for the size of the spool {}: {}",
                                          settings_.directory, std::system_category().message(errno)));
  const auto free = free_bytes();
  if (!free) return std::unexpected(free.error());
  MDB_envinfo info{};
  mdb_env_info(env_.get(), &info);  // after the count, so that no page counts as free and as not there yet
  const std::uint64_t pages = (info.me_last_pgno + 1) * page_bytes_;
  return Space{.file = static_cast<std::uint64_t>(now.st_size),
               .used = pages - std::min(pages, *free),
               .free = *free,
               .limit = info.me_mapsize};
}

// LMDB calls a write that was cut short by a full disk an input/output error.
bool Environment::disk_is_full() const {
  constexpr std::uint64_t next_to_nothing = 1u << 20;
  const auto disk = disk_bytes();
  return disk && *disk < next_to_nothing;
}

}  // namespace relay::spool
