// What the system says of this process, from /proc. Any thread; some system calls, and one more for each open
// file.
#pragma once
#include <cstdint>

namespace relay {

struct ProcessMemory {
  std::uint64_t resident_bytes = 0;
  std::uint64_t mapped_bytes = 0;  // of them, pages of files that the process has mapped
};
ProcessMemory process_memory();  // zeros if it cannot be told; one file is read

struct ProcessStats {
  std::uint64_t resident_bytes = 0;
  std::uint64_t open_files = 0;
  std::uint64_t open_files_limit = 0;
  double cpu_seconds = 0;
};

ProcessStats process_stats();

}  // namespace relay
