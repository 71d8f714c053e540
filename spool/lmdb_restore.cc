// Batch::restore: a message with its history, in one go.
#include <algorithm>

#include "spool/lmdb_batch.h"
#include "spool/restore.h"

namespace relay::spool {

Result<void> Batch::restore(const Restore& restore) {
  if (auto r = check_legal(restore); !r) return r;
  const Message& message = *restore.message;
  if (auto r = check_places(message); !r) return r;
  const bool open = std::any_of(restore.recipients.begin(), restore.recipients.end(),
                                [](const auto& recipient) { return !terminal(recipient.status); });
  const std::uint32_t chunks = open ? chunks_of(message.size) : 0;
  const auto fresh = put_message(message, chunks);
  if (!fresh) return std::unexpected(fresh.error());
  if (!*fresh) {
    ++applied_.stale;
    return {};
  }
  if (chunks > 0)
    if (auto r = put_body(message); !r) return r;
  for (std::uint32_t i = 0; i < restore.recipients.size(); ++i) {
    const Restore::Recipient& recipient = restore.recipients[i];
    const RecipientRef ref{message.id, i};
    for (std::uint32_t number = 0; number < recipient.events.size(); ++number) {
      const EventRecord& record = recipient.events[number];
      if (auto r = put_event(ref, number, record.event, record.status, record.attempts); !r) return r;
    }
    if (terminal(recipient.status)) continue;
    QueueRecord row;
    row.status = recipient.status;
    row.attempts = recipient.attempts;
    row.next_event = static_cast<std::uint32_t>(recipient.events.size());
    row.due = recipient.due;
    row.since = message.since();
    row.domain = wire::domain_of(message.envelope.recipients[i].address);
    row.account = message.account.value;
    row.stream = message.stream;
    if (auto r = put_row(ref, row); !r) return r;
  }
  const auto newest = newest_with_key(message);
  if (!newest) return std::unexpected(newest.error());
  if (*newest)
    if (auto r = put_idempotency(message); !r) return r;
  if (auto r = put_in_account(message); !r) return r;
  if (restore.counted) count(message);
  return {};
}

// Whether no later message has the same idempotency key: messages come in any order.
Result<bool> Batch::newest_with_key(const Message& message) {
  if (message.idempotency_key.empty()) return true;
  const auto found = idempotency_.seek(RowKey::idempotency(message.idempotency()).view());
  if (!found || !*found) return found ? Result<bool>(true) : found;
  const auto payload = idempotency_.payload();
  const auto known = payload ? decode_idempotency(*payload) : std::nullopt;
  return !known || *known < message.id;  // what cannot be read is written anew
}

}  // namespace relay::spool
