// backup: a copy of a spool as one commit has it, while the relay goes on.
//
// The copy is made in a directory of another name beside `destination`, synced, and then renamed, so that one
// that was cut off is never taken for a whole one; what is left of it is removed. `destination` must not
// exist. While it copies, LMDB keeps what the relay frees from reuse: the spool may grow by what is written
// meanwhile. Compact: free pages are left out and the others moved together, which takes longer and needs
// sound pages.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "spool/inspect/spool_file.h"

namespace relay::spool {

struct BackupOptions {
  std::string destination;
  bool compact = false;
};

// `written` is called from time to time with the bytes so far, on another thread. The result is the copy's
// size.
Result<std::uint64_t> backup(SpoolFile& file, const BackupOptions& options,
                             const std::function<void(std::uint64_t bytes)>& written);

}  // namespace relay::spool
