// Batch::purge: closed messages that are old enough go, a few at a time.
#include <algorithm>

#include "mta/base/log.h"
#include "spool/lmdb_batch.h"
#include "spool/lmdb_message.h"
#include "spool/page_rows.h"

namespace relay::spool {
namespace {

MessageId next_possible(MessageId id) {
  for (std::size_t i = id.bytes.size(); i-- > 0;) {
    ++id.bytes[i];
    if (id.bytes[i] != 0) break;
  }
  return id;
}

}  // namespace

// The messages to look at are those of the commit the batch has begun on: damage among them is passed over
// there, and what the batch itself has added is too young.
Result<void> Batch::purge(const Purge& purge) {
  // A commit others wait for must stay short: so many records for each message allowed, open ones passed
  // over included. The last message may go over it.
  constexpr std::uint64_t records_per_message = 20;
  std::uint64_t budget = purge.at_most * records_per_message;
  std::uint32_t left = purge.at_most;
  const auto spend = [&](const MessageId& id) -> Result<void> {
    ++applied_.looked_at;
    const auto cost = purge_one(id, purge.before);
    if (!cost) return std::unexpected(cost.error());
    budget -= std::min(budget, std::max<std::uint64_t>(*cost, 1));
    if (*cost > 0) --left, ++applied_.purged;
    return {};
  };
  auto& behind = progress_.closed_behind;
  while (left > 0 && budget > 0 && !behind.empty()) {
    const MessageId id = behind.back();
    if (id.time() >= purge.before) break;
    behind.pop_back();
    if (auto r = spend(id); !r) return r;
  }
  while (left > 0 && budget > 0) {
    const auto id = progress_.later.take(purge.before);
    if (!id) break;
    if (auto r = spend(*id); !r) return r;
  }
  if (left == 0 || budget == 0) return {};
  PageRows messages(*txn_, Table::messages);
  const auto from_there = [&] { return messages.seek_from(RowKey::message(progress_.purged_to).view()); };
  for (auto found = from_there(); left > 0 && budget > 0;) {
    const bool ended = found ? !*found : !messages.valid();
    const MessageId id = ended ? MessageId() : message_of(messages.key());
    if (ended || id.time() >= purge.before) {
      const auto again = progress_.later.look_from(purge.before);
      if (!again) return {};
      progress_.purged_to = std::min(progress_.purged_to, *again);
      found = from_there();
      continue;
    }
    if (auto r = spend(id); !r) return r;
    progress_.purged_to = next_possible(id);
    found = messages.next();
  }
  return {};
}

// Answers how many records it took; 0 if the message is open, not known, or so damaged that it must stay.
Result<std::uint64_t> Batch::purge_one(const MessageId& id, WallTime before) {
  const auto still_open = has_open_row(queue_, id);
  const auto taken = !still_open   ? Result<std::uint64_t>(std::unexpected(still_open.error()))
                     : *still_open ? Result<std::uint64_t>(0)
                                   : forget(id, before);
  if (taken || taken.error().code != Errc::corrupt || !txn_->usable()) return taken;
  log::error("spool: {} is old and cannot be forgotten: {}", id.text(), taken.error().message);
  return 0;
}

// Answers how many records it took; 0 if the message is not known, or its time began later.
Result<std::uint64_t> Batch::forget(const MessageId& id, WallTime before) {
  auto found = messages_.seek(RowKey::message(id).view());
  if (!found) return std::unexpected(found.error());
  if (!*found) return 0;
  // Of a damaged record the account cannot be told; its row of `accounts` stays, and list() passes over it.
  const auto record = read_message(messages_, rest_, scratch_.record);
  if (!record && record.error().code != Errc::corrupt) return std::unexpected(record.error());
  if (record && record->message.since() >= before) {
    progress_.later.add(id, record->message.since());
    return 0;
  }
  if (auto r = messages_.erase(); !r) return std::unexpected(r.error());
  std::uint64_t erased = 1;
  // Nothing leads to the others now: those that damage keeps from being erased are told and stay.
  const auto more = [&](const Result<std::uint64_t>& rows) -> Result<void> {
    if (rows)
      erased += *rows;
    else if (rows.error().code != Errc::corrupt || !txn_->usable())
      return std::unexpected(rows.error());
    else
      log::error("spool: rows of {}, which is forgotten, stay: {}", id.text(), rows.error().message);
    return {};
  };
  if (record)
    if (auto r = more(erase_row(accounts_, RowKey::account(record->message.account, id))); !r)
      return std::unexpected(r.error());
  if (record)
    if (auto r = more(erase_idempotency(record->message)); !r) return std::unexpected(r.error());
  // In the queue are closed rows only, in bodies what could not be removed in its time.
  for (Cursor* cursor : {&events_, &rest_, &queue_, &bodies_})
    if (auto r = more(erase_all(*cursor, id)); !r) return std::unexpected(r.error());
  return erased;
}

// Unless a later message has come with the same key.
Result<std::uint64_t> Batch::erase_idempotency(const Message& message) {
  if (message.idempotency_key.empty()) return 0;
  const auto found = idempotency_.seek(RowKey::idempotency(message.idempotency()).view());
  if (!found) return std::unexpected(found.error());
  if (!*found) return 0;
  const auto payload = idempotency_.payload();
  if (!payload) return std::unexpected(payload.error());
  if (decode_idempotency(*payload) != message.id) return 0;
  if (auto r = idempotency_.erase(); !r) return std::unexpected(r.error());
  return 1;
}

Result<std::uint64_t> Batch::erase_row(Cursor& cursor, const RowKey& key) {
  const auto found = cursor.seek(key.view());
  if (!found) return std::unexpected(found.error());
  if (*found)
    if (auto r = cursor.erase(); !r) return std::unexpected(r.error());
  return *found ? 1 : 0;
}

}  // namespace relay::spool
