// The spool on LMDB: its settings, and how it is opened. spool/FORMAT.md describes what is in the file.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "mta/base/result.h"
#include "spool/store.h"

namespace relay::spool {

// What a commit has survived when it is done.
enum class Durability {
  sync,  // power cuts: the default
  none,  // nothing but the end of this process: simulation and tests alone, never from a configuration
};

struct LmdbSettings {
  std::string directory;                  // made if missing, mode 0700
  std::uint64_t map_bytes = 64ull << 30;  // the largest the file may grow to; address space, not disk
  // New mail is refused (Errc::full) while less than this, or an eighth of map_bytes, would stay free in map
  // and disk: the outcomes of what is queued must still fit. The file takes the disk's blocks for it ahead
  // of need, so that nobody else can.
  std::uint64_t reserve_bytes = 64ull << 20;
  Durability durability = Durability::sync;
};

// Opens or makes a spool; takes a lock so that no second process writes to it.
Result<std::unique_ptr<Store>> open_lmdb(const LmdbSettings& settings);

}  // namespace relay::spool
