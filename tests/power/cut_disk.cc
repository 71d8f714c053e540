// A disk with a volatile write cache, for tests of power cuts: a FUSE file system of one file, `disk`, under
// which a loop device is put.
//
//     cut_disk BACKING MOUNTPOINT SEED
//
// A write stays in memory until a flush moves all that came before it to the file BACKING (a loop device
// makes an FSYNC of each flush and of each write with FUA). SIGTERM is the power cut, at any moment, within a
// flush too: of the writes since the last flush each one then reaches BACKING whole, or in some of its
// 512-byte sectors, or not at all, as the seed has it; a disk may write back what it likes in the order it
// likes. SIGKILL loses all of them. Nothing is answered after either. The last line on stdout says what the
// cut has done. One thread; MOUNTPOINT is left to be unmounted by whoever mounts what is on the disk.
#define FUSE_USE_VERSION 31
#include <fcntl.h>
#include <fuse.h>
#include <fuse_lowlevel.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t sector_bytes = 512;  // what a disk writes whole
constexpr useconds_t longest_flush_us = 2000;

struct Write {
  std::uint64_t first = 0;  // sector
  std::string bytes;
};

class Disk {
 public:
  Disk(int backing, std::uint64_t seed) : backing_(backing), rng_(seed) {}

  int read(char* to, std::size_t bytes, std::uint64_t offset) const {
    const ssize_t got = ::pread(backing_, to, bytes, static_cast<off_t>(offset));
    if (got < 0) return -errno;
    const std::uint64_t end = (offset + static_cast<std::size_t>(got)) / sector_bytes;
    for (auto at = cache_.lower_bound(offset / sector_bytes); at != cache_.end() && at->first < end; ++at)
      std::ranges::copy(at->second, to + (at->first * sector_bytes - offset));
    return static_cast<int>(got);
  }

  int write(const char* from, std::size_t bytes, std::uint64_t offset) {
    if (bytes % sector_bytes != 0 || offset % sector_bytes != 0) return -EINVAL;
    const std::uint64_t first = offset / sector_bytes;
    for (std::size_t done = 0; done < bytes; done += sector_bytes)
      std::copy_n(from + done, sector_bytes, cache_[first + done / sector_bytes].data());
    unflushed_.push_back({first, std::string(from, bytes)});
    return static_cast<int>(bytes);
  }

  // A flush takes its time, and the power may go within it.
  template <class F>
  int flush(F is_cut) {
    ::usleep(static_cast<useconds_t>(rng_() % longest_flush_us));
    if (is_cut()) return -EIO;
    for (const Write& write : unflushed_) store(write, 0, write.bytes.size());
    unflushed_.clear();
    cache_.clear();
    ++flushes_;
    return 0;
  }

  void cut() {
    // How much of its cache a disk has written back by itself differs from one cut to the next.
    static constexpr std::array shares = {0.0, 0.1, 0.5, 0.9};
    std::bernoulli_distribution survives(shares[rng_() % shares.size()]);
    std::bernoulli_distribution torn(0.2);
    std::size_t kept = 0, cut_up = 0;
    for (const Write& write : unflushed_) {
      const std::size_t sectors = write.bytes.size() / sector_bytes;
      if (sectors > 1 && torn(rng_)) {
        ++cut_up;
        for (std::size_t i = 0; i < sectors; ++i)
          if (survives(rng_)) store(write, i * sector_bytes, sector_bytes);
      } else if (survives(rng_)) {
        ++kept;
        store(write, 0, write.bytes.size());
      }
    }
    std::printf("cut flushes=%zu unflushed=%zu kept=%zu torn=%zu lost=%zu\n", flushes_, unflushed_.size(),
                kept, cut_up, unflushed_.size() - kept - cut_up);
  }

 private:
  void store(const Write& write, std::size_t from, std::size_t bytes) const {
    const auto at = static_cast<off_t>(write.first * sector_bytes + from);
    if (::pwrite(backing_, write.bytes.data() + from, bytes, at) == static_cast<ssize_t>(bytes)) return;
    std::perror("cut_disk: the backing file");
    std::_Exit(2);
  }

  int backing_;
  std::mt19937_64 rng_;
  std::vector<Write> unflushed_;                                   // in order
  std::map<std::uint64_t, std::array<char, sector_bytes>> cache_;  // the same by sector, the newest of each
  std::size_t flushes_ = 0;
};

// ---- the file system ----

constexpr const char* disk_path = "/disk";

Disk& disk() { return *static_cast<Disk*>(fuse_get_context()->private_data); }

struct stat disk_stat{};

void* on_init(fuse_conn_info*, fuse_config* config) {
  config->direct_io = 1;
  config->attr_timeout = 3600;
  config->entry_timeout = 3600;
  return fuse_get_context()->private_data;
}

int on_getattr(const char* path, struct stat* to, fuse_file_info*) {
  *to = {};
  if (std::string_view(path) == "/") {
    to->st_mode = S_IFDIR | 0700;
    to->st_nlink = 2;
    return 0;
  }
  if (std::string_view(path) != disk_path) return -ENOENT;
  *to = disk_stat;
  to->st_mode = S_IFREG | 0600;
  return 0;
}

int on_open(const char* path, fuse_file_info*) { return std::string_view(path) == disk_path ? 0 : -ENOENT; }

int on_read(const char*, char* to, std::size_t bytes, off_t offset, fuse_file_info*) {
  return disk().read(to, bytes, static_cast<std::uint64_t>(offset));
}

int on_write(const char*, const char* from, std::size_t bytes, off_t offset, fuse_file_info*) {
  return disk().write(from, bytes, static_cast<std::uint64_t>(offset));
}

int on_fsync(const char*, int, fuse_file_info*) {
  return disk().flush([] { return fuse_session_exited(fuse_get_session(fuse_get_context()->fuse)) != 0; });
}

int serve(Disk& with, const char* program, const char* mountpoint) {
  fuse_operations operations{};
  operations.init = on_init;
  operations.getattr = on_getattr;
  operations.open = on_open;
  operations.read = on_read;
  operations.write = on_write;
  operations.fsync = on_fsync;
  std::string name = program;
  char* arguments[] = {name.data(), nullptr};
  fuse_args args = FUSE_ARGS_INIT(1, arguments);
  fuse* made = fuse_new(&args, &operations, sizeof operations, &with);
  if (made == nullptr || fuse_mount(made, mountpoint) != 0) return 1;
  if (fuse_set_signal_handlers(fuse_get_session(made)) != 0) return 1;
  fuse_loop(made);
  with.cut();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t seed = 0;
  if (argc != 4 || std::from_chars(argv[3], argv[3] + std::strlen(argv[3]), seed).ec != std::errc{}) {
    std::fprintf(stderr, "usage: cut_disk BACKING MOUNTPOINT SEED\n");
    return 2;
  }
  const int backing = ::open(argv[1], O_RDWR | O_CLOEXEC);
  if (backing < 0 || ::fstat(backing, &disk_stat) != 0) {
    std::perror(argv[1]);
    return 1;
  }
  Disk made(backing, seed);
  const int status = serve(made, argv[0], argv[2]);
  std::fflush(stdout);
  std::_Exit(status);  // no unmounting: the power is gone
}
