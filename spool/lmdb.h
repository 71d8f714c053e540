// The spool on LMDB: its settings, and how it is opened. spool/FORMAT.md describes what is in the file.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "mta/base/result.h"
#include "spool/store.h"

namespace relay::spool {

// What a commit survives once it is done. In all of them it survives the end of the process.
//
// sync: data pages are synced, then the meta page that makes them count is written and synced. LMDB is
//   copy-on-write, so at every moment the disk has one whole state.
// relaxed: the meta page is written without a sync (MDB_NOMETASYNC) and reaches the disk with the next
// commit's
//   sync of data pages, or with Store::sync(). A power cut can take back the last commit; it cannot damage
//   the store, because a page freed by commit N is reused by commit N + 2 at the earliest, after the sync in
//   commit N + 1 has put the meta page of N on the disk: whichever of the two newest meta pages is found
//   there, no page of its state has been written over. No other relaxed mode of LMDB keeps that: with
//   MDB_NOSYNC the kernel may write a meta page before the pages it names, or a reused page before the meta
//   page that frees it, and MDB_MAPASYNC (with MDB_WRITEMAP) is the same and lets stray writes of this
//   process into the file.
enum class Durability {
  sync,     // power cuts: the default
  relaxed,  // power cuts, but for the commits since the last sync()
  none,     // nothing else: simulation and tests alone, never from a configuration
};

std::string_view text(Durability durability);  // "sync"

struct LmdbSettings {
  std::string directory;                  // made if missing, mode 0700
  std::uint64_t map_bytes = 64ull << 30;  // the largest the file may grow to; address space, not disk
  // New mail is refused (Errc::full) while less than this, or an eighth of map_bytes, would stay free in map
  // and disk: the outcomes of what is queued must still fit. The file takes the disk's blocks for it ahead
  // of need, so that nobody else can.
  std::uint64_t reserve_bytes = 64ull << 20;
  Durability durability = Durability::sync;
  // Of the process's mapped files. LMDB touches pages all over its file, the kernel maps 15 more beside each,
  // and they count as the process's memory until somebody else needs it. Over this the map is given back
  // between two batches; the pages stay in the kernel's cache.
  std::uint64_t mapped_bytes = 64ull << 20;
};

// Opens or makes a spool; takes a lock so that no second process writes to it.
Result<std::unique_ptr<Store>> open_lmdb(const LmdbSettings& settings);

}  // namespace relay::spool
