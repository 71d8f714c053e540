// Store: the interface of the spool's storage. LmdbStore implements it; a PostgreSQL-protocol store can.
//
// apply() makes a batch durable in one commit or changes nothing. It is called by one thread only, the
// writer's. Every read may be called from any thread at any time, sees only committed batches, copies what it
// returns, and holds no transaction open afterwards; none is long, so what has very many rows is read in
// slices. A read that meets a damaged record fails with Errc::corrupt naming what it concerns.
//
// Legal states of a recipient: queued <-> held, either -> delivered | failed | cancelled (final). An
// operation on a recipient that is not open (already terminal, or unknown) changes nothing and is counted as
// `stale`: the first final outcome stands. When a message's last recipient becomes terminal its body is
// removed in that commit.
#pragma once
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mta/base/result.h"
#include "spool/types.h"

namespace relay::spool {

// An operation that met damage (Errc::corrupt): it changed nothing, the rest of its batch is committed.
struct FailedOperation {
  std::size_t index = 0;  // in the batch
  Error error;
};

struct Applied {
  std::uint32_t stale = 0;
  std::uint32_t purged = 0;
  std::vector<FailedOperation> failed = {};  // by index
};

class Store {
 public:
  static constexpr std::uint64_t whole = std::numeric_limits<std::uint64_t>::max();  // of a content: load()
  virtual ~Store() = default;

  // After an error nothing of the batch is visible. Errc::full (no room in map, disk or quota) and
  // Errc::unavailable (it cannot be written now, and nothing is in doubt) may be tried again. Any other error
  // is final: the caller must acknowledge nothing more.
  virtual Result<Applied> apply(std::span<const Operation> batch) = 0;
  // The writer's thread too: whether a message of usual size could be stored now, or the error apply() would
  // give, with the same meaning. One that cannot tell without a message says yes.
  virtual Result<void> probe() { return {}; }

  // Makes every batch applied so far survive a power cut, if apply() alone does not see to that. By the
  // thread that calls apply(). An error is final, as one of apply().
  virtual Result<void> sync() { return {}; }

  virtual Result<std::optional<MessageView>> find(MessageId id) const = 0;
  // With its content, unless that is longer than `at_most` bytes: then the body is null, and `size` says how
  // long it is. not_found if it is gone: no recipient is open, or none is any more before all was read.
  virtual Result<MessagePtr> load(MessageId id, std::uint64_t at_most = whole) const = 0;
  virtual Result<std::vector<MessageView>> list(
      const MessageQuery& query) const = 0;  // newest first; events left out
  virtual Result<std::vector<QueueRow>> list_queue(const QueueQuery& query) const = 0;  // by ref
  virtual Result<Counts> counts() const = 0;
  virtual Result<Space> space() const = 0;  // may read some thousand pages
  virtual Result<std::vector<ApiKey>> keys() const = 0;
  // Every open recipient, by ref; stops early when `each` answers false.
  virtual Result<void> scan_queue(const std::function<bool(QueueEntry)>& each) const = 0;
};

}  // namespace relay::spool
