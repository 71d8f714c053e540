// Batch: what each operation does to the tables, inside one write transaction. The writer's thread alone.
//
// A batch is given operations one by one and must die before its transaction commits or aborts. What it
// learns for later batches (Progress) counts only if the commit succeeds.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "spool/later.h"
#include "spool/lmdb_env.h"
#include "spool/records.h"
#include "spool/store.h"

namespace relay::spool {

// Kept between batches.
struct Progress {
  // Purge has looked at every message older than this; the open ones among them are not looked at again, but
  // named in `closed_behind` when they close.
  MessageId purged_to;
  std::vector<MessageId> closed_behind;
  Later later;                    // of the closed ones that it has passed over
  bool told_of_accounts = false;  // that their table cannot be written everywhere
  bool told_of_usage = false;     // the same
  bool doubtful = false;          // rows of the queue may be behind their events: see doubtful_row
};

// Buffers for encoding, kept so that a batch allocates nothing per record.
struct Scratch {
  std::string record, piece;
};

// LMDB gives a transaction up when it comes to a page that is not in the file, as it may beside the row it is
// asked for. For an operation that has met that: no look at anything but its own row.
enum class Care { usual, utmost };

class Batch {
 public:
  static Result<Batch> begin(const Txn& txn, Progress& progress, Scratch& scratch);
  Result<void> add(const Operation& operation, Care care = Care::usual);
  // After the last operation: what keys with a daily limit have sent, a row for each.
  Result<void> write_usage();
  const Applied& applied() const { return applied_; }

 private:
  Batch(const Txn& txn, Cursor messages, Cursor rest, Cursor bodies, Cursor queue, Cursor events, Cursor keys,
        Cursor accounts, Cursor idempotency, Progress& progress, Scratch& scratch, std::size_t value_bytes);
  Result<void> accept(const Accept& accept);
  Result<void> restore(const Restore& restore);
  Result<void> check_places(const Message& message);
  Result<void> put_in_account(const Message& message);
  Result<void> put_idempotency(const Message& message);
  Result<bool> newest_with_key(const Message& message);
  Result<void> put_row(const RecipientRef& ref, const QueueRecord& row);
  Result<void> put_event(const RecipientRef& ref, std::uint32_t number, const Event& event, Status after,
                         std::uint32_t attempts);
  std::uint32_t chunks_of(std::uint64_t bytes) const;
  Result<bool> put_message(const Message& message, std::uint32_t chunks);
  Result<void> put_body(const Message& message);
  struct Standing {  // of an open recipient
    QueueRecord row;
    std::optional<RowTexts> made_anew;  // of `row`, if it was
    bool has_row = true;
  };
  Result<void> doubt_rows();
  Result<std::optional<Standing>> standing(const RecipientRef& ref);
  Result<void> change(const RecipientRef& ref, const Event& event, Status status, WallTime due, bool attempt);
  Result<void> close(const RecipientRef& ref, bool by_event);
  Result<void> put_key(const ApiKey& key);
  void count(const Message& message);
  Result<void> purge(const Purge& purge);
  Result<std::uint64_t> purge_one(const MessageId& id, WallTime before);
  Result<std::uint64_t> forget(const MessageId& id, WallTime before);
  Result<std::uint64_t> erase_idempotency(const Message& message);
  static Result<std::uint64_t> erase_row(Cursor& cursor, const RowKey& key);
  static Result<std::uint64_t> erase_all(Cursor& cursor, const MessageId& id);

  const Txn* txn_;
  Cursor messages_, rest_, bodies_, queue_, events_, keys_, accounts_, idempotency_;
  Progress& progress_;
  Scratch& scratch_;
  std::size_t value_bytes_;
  Applied applied_;
  Care care_ = Care::usual;
  std::map<std::string, KeyDay> sent_;  // by key; its newest day
};

// What a batch's new mail will take, roughly, in bytes.
std::uint64_t space_for_new_mail(std::span<const Operation> batch);

}  // namespace relay::spool
