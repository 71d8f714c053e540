// The fault shim: a library to be preloaded (LD_PRELOAD), or linked before the C library, that stands between
// a process and one of its files. It counts the calls that write this file and does to them what a plan says
// (plan.h). Everything else passes.
//
//   RELAY_FAULT_FILE    the file, as /proc/self/fd says it; unset: everything passes
//   RELAY_FAULT_PLAN    the plan's file; while there is none, calls are counted alone
//   RELAY_FAULT_COUNTS  where the counts are shown (struct Counts), if set
//
// These are read at the first call of the process, so a fork()ed child may set them for itself.
// Not seen: calls that LMDB does not use, such as pwritev(), and writes through a mapping.
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <mutex>
#include <string>
#include <vector>

#include "tests/crash/plan.h"

namespace relay::crash {
namespace {

// The C library's own functions. Looked up at the first use: other libraries' constructors may write too.
struct Real {
  template <class Function>
  static Function* find(const char* name) {
    return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
  }
  ssize_t (*pwrite)(int, const void*, size_t,
                    off_t) = find<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  ssize_t (*write)(int, const void*, size_t) = find<ssize_t(int, const void*, size_t)>("write");
  ssize_t (*writev)(int, const iovec*, int) = find<ssize_t(int, const iovec*, int)>("writev");
  int (*fdatasync)(int) = find<int(int)>("fdatasync");
  int (*fsync)(int) = find<int(int)>("fsync");
  int (*fallocate)(int, int, off_t, off_t) = find<int(int, int, off_t, off_t)>("fallocate");
  int (*ftruncate)(int, off_t) = find<int(int, off_t)>("ftruncate");
};
const Real& real() {
  static const Real functions;
  return functions;
}

[[noreturn]] void die(const char* why) {
  std::fprintf(stderr, "fault shim: %s\n", why);
  ::abort();
}

[[noreturn]] void kill_self() {
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

class Shim {
 public:
  static Shim& get() {
    static Shim shim;
    return shim;
  }

  bool concerns(int fd) const {
    if (file_.empty()) return false;
    struct stat is{};
    if (::fstat(fd, &is) != 0 || !S_ISREG(is.st_mode)) return false;
    char path[PATH_MAX];
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    const ssize_t length = ::readlink(link.c_str(), path, sizeof path);
    return length > 0 && std::string_view(path, static_cast<std::size_t>(length)) == file_;
  }

  Decision next(Call call) {
    const std::lock_guard lock(mutex_);
    look_at_plan();
    ++counts_->calls[static_cast<std::size_t>(call)];
    const Decision decision = planned_ ? plan_.next(call) : Decision{};
    if (decision.act != Act::none) ++counts_->interfered;
    return decision;
  }

 private:
  Shim() : file_(variable("RELAY_FAULT_FILE")), plan_file_(variable("RELAY_FAULT_PLAN")) {
    const std::string shown = variable("RELAY_FAULT_COUNTS");
    if (file_.empty() || shown.empty()) return;
    const int fd = ::open(shown.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || real().ftruncate(fd, 0) != 0 || real().ftruncate(fd, sizeof(Counts)) != 0)
      die("the file of counts cannot be made");
    void* mapped = ::mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::close(fd);
    if (mapped == MAP_FAILED) die("the file of counts cannot be mapped");
    counts_ = static_cast<Counts*>(mapped);
  }

  void look_at_plan() {
    struct stat is{};
    if (plan_file_.empty() || ::stat(plan_file_.c_str(), &is) != 0) {
      planned_ = false;
      return;
    }
    const bool same = planned_ && is.st_ino == seen_.st_ino && is.st_mtim.tv_sec == seen_.st_mtim.tv_sec &&
                      is.st_mtim.tv_nsec == seen_.st_mtim.tv_nsec;
    if (same) return;
    seen_ = is;
    char text[4096];
    const int fd = ::open(plan_file_.c_str(), O_RDONLY | O_CLOEXEC);
    const ssize_t length = ::read(fd, text, sizeof text);
    ::close(fd);
    if (length < 0) return;  // it has gone just now
    if (!plan_.parse({text, static_cast<std::size_t>(length)})) die("the plan cannot be read");
    planned_ = true;
  }

  const std::string file_, plan_file_;
  std::mutex mutex_;
  Plan plan_;
  bool planned_ = false;
  struct stat seen_{};
  Counts own_;
  Counts* counts_ = &own_;
};

// Makes the call as decided. `half` does half of it and answers how much that was, or fails.
template <class Whole, class Half>
auto interfere(Call call, Whole whole, Half half) -> decltype(whole()) {
  const Decision decision = Shim::get().next(call);
  switch (decision.act) {
    case Act::none: return whole();
    case Act::kill: kill_self();
    case Act::kill_torn: half(); kill_self();
    case Act::kill_after: whole(); kill_self();
    case Act::fail: errno = decision.code; return -1;
    case Act::shorten: return half();
    case Act::fail_after:
      whole();
      errno = decision.code;
      return -1;
    case Act::delay: {
      const timespec pause{decision.delay_ms / 1000, long{decision.delay_ms % 1000} * 1'000'000};
      ::nanosleep(&pause, nullptr);
      return whole();
    }
  }
  die("an action without a meaning");
}

template <class Whole>
int interfere(Call call, Whole whole) {
  return interfere(call, whole, [] {
    errno = ENOSPC;
    return -1;
  });
}

// LMDB's pages 0 and 1 are its meta pages.
Call kind_of_write(off_t offset) {
  static const off_t page = ::sysconf(_SC_PAGESIZE);
  return offset < 2 * page ? Call::meta : Call::write;
}

// The first half of the bytes.
std::vector<iovec> half_of(const iovec* parts, int count) {
  std::vector<iovec> all(parts, parts + count);
  std::size_t bytes = 0;
  for (const iovec& part : all) bytes += part.iov_len;
  bytes /= 2;
  for (iovec& part : all) {
    part.iov_len = std::min(part.iov_len, bytes);
    bytes -= part.iov_len;
  }
  return all;
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) {
  const auto whole = [&] { return real().pwrite(fd, bytes, size, at); };
  if (!Shim::get().concerns(fd)) return whole();
  return interfere(kind_of_write(at), whole, [&] { return real().pwrite(fd, bytes, size / 2, at); });
}

}  // namespace
}  // namespace relay::crash

// ---- what the process sees in place of the C library's ----

namespace crash = relay::crash;

extern "C" {

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) {
  return crash::pwrite(fd, bytes, size, at);
}
ssize_t pwrite64(int fd, const void* bytes, size_t size, off_t at) {
  return crash::pwrite(fd, bytes, size, at);
}

ssize_t write(int fd, const void* bytes, size_t size) {
  const auto whole = [&] { return crash::real().write(fd, bytes, size); };
  if (!crash::Shim::get().concerns(fd)) return whole();
  return crash::interfere(crash::kind_of_write(::lseek(fd, 0, SEEK_CUR)), whole,
                          [&] { return crash::real().write(fd, bytes, size / 2); });
}

ssize_t writev(int fd, const iovec* parts, int count) {
  const auto whole = [&] { return crash::real().writev(fd, parts, count); };
  if (!crash::Shim::get().concerns(fd)) return whole();
  return crash::interfere(crash::kind_of_write(::lseek(fd, 0, SEEK_CUR)), whole, [&] {
    return crash::real().writev(fd, crash::half_of(parts, count).data(), count);
  });
}

int fdatasync(int fd) {
  const auto whole = [&] { return crash::real().fdatasync(fd); };
  return crash::Shim::get().concerns(fd) ? crash::interfere(crash::Call::sync, whole) : whole();
}

int fsync(int fd) {
  const auto whole = [&] { return crash::real().fsync(fd); };
  return crash::Shim::get().concerns(fd) ? crash::interfere(crash::Call::sync, whole) : whole();
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
  const auto whole = [&] { return crash::real().fallocate(fd, mode, offset, length); };
  return crash::Shim::get().concerns(fd) ? crash::interfere(crash::Call::allocate, whole) : whole();
}
int fallocate64(int fd, int mode, off_t offset, off_t length) { return fallocate(fd, mode, offset, length); }

int ftruncate(int fd, off_t length) noexcept {
  const auto whole = [&] { return crash::real().ftruncate(fd, length); };
  return crash::Shim::get().concerns(fd) ? crash::interfere(crash::Call::allocate, whole) : whole();
}
int ftruncate64(int fd, off_t length) noexcept { return ftruncate(fd, length); }

}  // extern "C"
