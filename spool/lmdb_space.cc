// Whether there is room for new mail: the map's limit, the disk, and the free pages inside the file.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>

#include "spool/lmdb_env.h"

namespace relay::spool {

// The pages there are less those the tables hold. LMDB keeps a count of these with each table, while its list
// of free pages would have to be walked, which takes milliseconds when it is long.
Result<std::uint64_t> Environment::free_bytes() const {
  constexpr MDB_dbi lmdbs_own = 2;  // table 0 is the list of free pages, table 1 names the others
  constexpr std::uint64_t meta_pages = 2;
  if (frozen() != nullptr) return 0;  // nothing is written any more
  auto txn = Txn::begin_read(*this);
  if (!txn) return std::unexpected(txn.error());
  std::uint64_t held = meta_pages;
  const auto add = [&](MDB_dbi table) {
    MDB_stat stat{};
    const int code = mdb_stat(txn->get(), table, &stat);
    held += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
    return code;
  };
  int code = 0;
  for (MDB_dbi table = 0; table < lmdbs_own && code == 0; ++table) code = add(table);
  for (const Table table : all_tables)
    if (code == 0) code = add(dbi(table));
  if (code != 0) return lmdb_failure(code, "count the spool's free pages");
  MDB_envinfo info{};
  mdb_env_info(env_.get(), &info);
  const std::uint64_t pages = info.me_last_pgno + 1;
  return pages > held ? (pages - held) * page_bytes_ : 0;
}

Result<std::uint64_t> Environment::disk_bytes() const {
  struct statvfs disk{};
  if (::statvfs(settings_.directory.c_str(), &disk) != 0)
    return lmdb_failure(errno, fmt::format("ask for the free space of {}", settings_.directory));
  return std::uint64_t{disk.f_bavail} * disk.f_frsize;
}

// A file that was copied sparsely has holes: parts of its length that the disk has given no blocks for.
bool Environment::has_holes(std::uint64_t& blocks) const {
  struct stat now{};
  if (::fstat(file_, &now) != 0) return true;
  const auto length = static_cast<std::uint64_t>(now.st_size);
  blocks = std::min(static_cast<std::uint64_t>(now.st_blocks) * 512, length);
  return blocks < length;
}

// Sees to it that the disk's blocks under the first `end` bytes of the file are ours, so that others who fill
// the disk cannot take what is kept for outcomes; goes ahead by a step each time. Answers how much is ours.
Result<std::uint64_t> Environment::allocate(std::uint64_t used, std::uint64_t end) {
  constexpr std::uint64_t step = 32u << 20;
  end = std::min(end, settings_.map_bytes);
  if (allocated_ >= end) return allocated_;
  std::uint64_t have = allocated_;
  if (allocated_ == 0 && !has_holes(have)) allocated_ = have;
  if (allocated_ >= end) return allocated_;
  const auto disk = disk_bytes();
  if (!disk) return disk;
  if (!can_allocate_) return used + *disk;
  // A try that must fail would make the file system look for blocks, and flush its journal to find some.
  const std::uint64_t lacking = end - std::min(have, end);
  if (*disk < lacking) return allocated_;
  // The last of a disk is not taken ahead of need.
  const std::uint64_t target = std::min(*disk > lacking + 2 * step ? end + step : end, settings_.map_bytes);
  if (::fallocate(file_, 0, static_cast<off_t>(allocated_), static_cast<off_t>(target - allocated_)) == 0) {
    allocated_ = target;
    return allocated_;
  }
  if (errno == EOPNOTSUPP || errno == ENOSYS) {
    can_allocate_ = false;
    return used + *disk;
  }
  if (errno != ENOSPC && errno != EDQUOT && errno != EFBIG && errno != EINTR)
    return lmdb_failure(errno, fmt::format("make room for the spool {}", settings_.directory));
  return allocated_;
}

std::uint64_t Environment::reserve() const {
  return std::min<std::uint64_t>(settings_.reserve_bytes, settings_.map_bytes / 8);
}

std::unexpected<Error> Environment::no_room(std::uint64_t bytes) const {
  const auto mib = [](std::uint64_t n) {
    return fmt::format("{:.1f} MiB", static_cast<double>(n) / (1u << 20));
  };
  const auto now = space();
  const auto disk = disk_bytes();
  if (!now || !disk) return fail(Errc::full, fmt::format("the spool {} is full", settings_.directory));
  return fail(
      Errc::full,
      fmt::format("the spool {} is full: new mail needs {}, and there is room for {} beside the {} that "
                  "are kept for outcomes; its file of {} may grow to {}, and the disk has {} free",
                  settings_.directory, mib(bytes), mib(now->room), mib(reserve()), mib(now->file),
                  mib(now->limit), mib(*disk)));
}

Result<bool> Environment::has_room(std::uint64_t bytes) {
  MDB_envinfo info{};
  mdb_env_info(env_.get(), &info);
  const std::uint64_t used = (info.me_last_pgno + 1) * page_bytes_;
  const std::uint64_t needed = bytes + reserve();
  const auto ours = allocate(used, used + needed);
  if (!ours) return std::unexpected(ours.error());
  const std::uint64_t end = std::min<std::uint64_t>(*ours, info.me_mapsize);
  const std::uint64_t growth = end > used ? end - used : 0;
  if (growth >= needed) return true;
  const auto free = free_bytes();
  if (!free) return std::unexpected(free.error());
  return growth + *free >= needed;
}

Result<Space> Environment::space() const {
  struct stat now{};
  if (::fstat(file_, &now) != 0)
    return fail(Errc::system, fmt::format("could not ask for the size of the spool {}: {}",
                                          settings_.directory, std::system_category().message(errno)));
  const auto free = free_bytes();
  if (!free) return std::unexpected(free.error());
  MDB_envinfo info{};
  mdb_env_info(env_.get(), &info);  // after the count, so that no page counts as free and as not there yet
  const std::uint64_t pages = (info.me_last_pgno + 1) * page_bytes_;
  const auto disk = disk_bytes();
  if (!disk) return std::unexpected(disk.error());
  const std::uint64_t end =
      std::min<std::uint64_t>(static_cast<std::uint64_t>(now.st_size) + *disk, info.me_mapsize);
  const std::uint64_t left = *free + end - std::min(pages, end);
  return Space{.file = static_cast<std::uint64_t>(now.st_size),
               .used = pages - std::min(pages, *free),
               .free = *free,
               .limit = info.me_mapsize,
               .room = frozen() != nullptr ? 0 : left - std::min(left, reserve())};
}

// LMDB calls a write that was cut short by a full disk, quota or file size an input/output error. So it is
// asked again: can the file grow?
int Environment::reason_not_to_grow() const {
  constexpr std::uint64_t next_to_nothing = 1u << 20;
  struct stat now{};
  if (::fstat(file_, &now) == 0 && ::fallocate(file_, 0, now.st_size, next_to_nothing) != 0 &&
      (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
    return errno;
  const auto disk = disk_bytes();
  return disk && *disk < next_to_nothing ? ENOSPC : 0;
}

}  // namespace relay::spool
