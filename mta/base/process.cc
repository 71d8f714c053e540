#include "mta/base/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace relay {
namespace {

double seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

}  // namespace

ProcessMemory process_memory() {
  std::uint64_t all = 0, resident = 0, shared = 0;  // pages; shared are those of files: proc_pid_statm(5)
  std::ifstream("/proc/self/statm") >> all >> resident >> shared;
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return {.resident_bytes = resident * page, .mapped_bytes = shared * page};
}

ProcessStats process_stats() {
  ProcessStats stats;
  stats.resident_bytes = process_memory().resident_bytes;
  std::error_code error;
  std::filesystem::directory_iterator files("/proc/self/fd", error);
  // One of them is the directory itself.
  const auto open = error ? 1 : std::distance(begin(files), end(files));
  stats.open_files = static_cast<std::uint64_t>(open - 1);
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) stats.open_files_limit = limit.rlim_cur;
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0)
    stats.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  return stats;
}

}  // namespace relay
