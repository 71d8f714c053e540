// Store: the interface of the spool's storage. LmdbStore implements it; a PostgreSQL-protocol store can.
//
// apply() makes a batch durable in one commit or changes nothing. It is called by one thread only, the
// writer's. Every read may be called from any thread at any time, sees only committed batches, copies what it
// returns, and holds no transaction open afterwards. A read that meets a damaged record fails with
// Errc::corrupt naming what it concerns.
//
// Legal states of a recipient: queued <-> held, either -> delivered | failed | cancelled (final). An
// operation on a recipient that is not open (already terminal, or unknown) changes nothing and is counted as
// `stale`: the first final outcome stands. When a message's last recipient becomes terminal its body is
// removed in that commit.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mta/base/result.h"
#include "spool/types.h"

namespace relay::spool {

struct Applied {
  std::uint32_t stale = 0;
  std::uint32_t purged = 0;
};

class Store {
 public:
  virtual ~Store() = default;

  // After an error nothing of the batch is visible. Errc::full: space or map is exhausted, may be tried
  // again. Any other error is final: the caller must acknowledge nothing more.
  virtual Result<Applied> apply(std::span<const Operation> batch) = 0;

  virtual Result<std::optional<MessageView>> find(MessageId id) const = 0;
  virtual Result<MessagePtr> load(MessageId id) const = 0;  // with body; not_found if it is gone
  virtual Result<std::vector<MessageView>> list(
      const MessageQuery& query) const = 0;  // newest first; events left out
  virtual Result<std::vector<QueueRow>> list_queue(const QueueQuery& query) const = 0;  // by ref
  virtual Result<Counts> counts() const = 0;
  virtual Result<std::vector<ApiKey>> keys() const = 0;
  // Every open recipient, by ref; stops early when `each` answers false.
  virtual Result<void> scan_queue(const std::function<bool(QueueEntry)>& each) const = 0;
};

struct LmdbSettings {
  std::string directory;                  // made if missing, mode 0700
  std::uint64_t map_bytes = 64ull << 30;  // the largest the file may grow to; address space, not disk
  // New mail is refused (Errc::full) while less than this, or an eighth of map_bytes, would stay free in map
  // and disk: the outcomes of what is queued must still fit. The file takes the disk's blocks for it ahead
  // of need, so that nobody else can.
  std::uint64_t reserve_bytes = 64ull << 20;
  bool sync = true;  // false only for simulation and tests: a crash then loses commits
};

// Opens or makes a spool; takes a lock so that no second process writes to it.
Result<std::unique_ptr<Store>> open_lmdb(const LmdbSettings& settings);

}  // namespace relay::spool
