// Store: the interface of the spool's storage, in terms of mail: accept, claim, record outcomes, hold,
// cancel, purge, find, list. LmdbStore implements it on a file of its own; a PostgreSQL-protocol store can
// (claim() is then a lease, probe() a ping, and sync() nothing).
//
// apply() makes a batch durable in one commit or changes nothing. It, sync() and probe() are called by one
// thread only, the writer's. Every read may be called from any thread at any time, sees only committed
// batches, copies what it returns, and holds no transaction open afterwards; none is long, so what has very
// many rows is read in slices.
//
// Legal states of a recipient: queued <-> held, either -> delivered | failed | cancelled (final). An
// operation on a recipient that is not open (already terminal, or unknown) changes nothing and is counted as
// `stale`: the first final outcome stands. When a message's last recipient becomes terminal its body is
// removed in that commit.
//
// Damage (a record whose checksum does not hold, a page that makes no sense) concerns what is stored there
// and nothing else. A read of one thing that cannot be had answers Errc::corrupt, or Errc::system if the disk
// does not give it, which may pass; a read of many shows the others and names the damaged ones. Content that
// is not what was stored is never returned.
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
  std::uint32_t looked_at = 0;               // messages, by purge
  std::vector<FailedOperation> failed = {};  // by index
};

// Of an error of Store::apply: whether the same may be tried again, as nothing has been changed and nothing
// is in doubt.
inline bool may_pass(const Error& error) {
  return error.code == Errc::full || error.code == Errc::unavailable;
}

class Store {
 public:
  static constexpr std::uint64_t whole = std::numeric_limits<std::uint64_t>::max();  // of a content: load()
  virtual ~Store() = default;

  // ---- the writer's ----
  // After an error nothing of the batch is visible. Errc::full (no room in map, disk or quota) and
  // Errc::unavailable (it cannot be written now, and nothing is in doubt) may be tried again. Any other error
  // is final: the caller must acknowledge nothing more.
  virtual Result<Applied> apply(std::span<const Operation> batch) = 0;
  // Whether new mail of so many bytes could be stored now, or the error apply() would give, with the same
  // meaning; Errc::corrupt: damage is where it goes. One that cannot tell without a message says yes.
  virtual Result<void> probe(std::uint64_t bytes) {
    static_cast<void>(bytes);
    return {};
  }
  // Makes every batch applied so far survive a power cut, if apply() alone does not see to that. An error is
  // final, as one of apply().
  virtual Result<void> sync() { return {}; }

  // ---- at the start ----
  // On a thread of its own; what is applied meanwhile is seen or not. Every open recipient becomes this
  // process's to deliver, by ref; stops early when `each` or `go_on` answers false, the latter asked now and
  // then, as the search for what damage has hidden may be long. One whose own record is damaged is rebuilt
  // from its message and its events, and due at once. Each damage met is told; the counts say what it has
  // cost.
  using EachEntry = std::function<bool(QueueEntry)>;
  using EachDamage = std::function<void(const Damage&)>;
  using GoOn = std::function<bool()>;
  virtual Result<Claimed> claim(const EachEntry& each, const EachDamage& damaged, const GoOn& go_on) = 0;

  // ---- reads ----
  // What of the message cannot be read is named in its view; an error if that is the message's own record.
  virtual Result<std::optional<MessageView>> find(MessageId id) const = 0;
  // With its content, unless that is longer than `at_most` bytes: then the body is null, and `size` says how
  // long it is. not_found if it is gone: no recipient is open, or none is any more before all was read.
  virtual Result<MessagePtr> load(MessageId id, std::uint64_t at_most = whole) const = 0;
  // Newest first; events left out.
  virtual Result<std::vector<MessageView>> list(const MessageQuery& query) const = 0;
  virtual Result<std::vector<QueueRow>> list_queue(const QueueQuery& query) const = 0;  // by ref
  // The message accepted last with the key, if it has not been purged. What cannot be read of its row alone
  // is logged and counts for nothing; the next message with the key writes it anew.
  virtual Result<std::optional<MessageId>> find_by_key(const IdempotencyKey& key) const = 0;
  virtual Result<Counts> counts() const = 0;
  virtual Result<Space> space() const = 0;               // may read some thousand pages
  virtual Result<std::vector<ApiKey>> keys() const = 0;  // a damaged one is logged and left out
  // What keys with a daily limit have sent; a damaged count is logged and left out.
  virtual Result<std::vector<KeyDay>> key_days() const = 0;
};

}  // namespace relay::spool
