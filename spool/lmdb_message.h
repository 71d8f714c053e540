// What a message's rows say together: the record out of its pieces, and where each recipient stands. Reads
// only, inside a transaction the caller holds; the rows' cursors are moved.
#pragma once
#include <optional>
#include <string>
#include <utility>

#include "spool/records.h"
#include "spool/rows.h"
#include "spool/types.h"

namespace relay::spool {

class Txn;

// The message that `messages` stands on; `scratch` takes the pieces of a long one.
Result<MessageRecord> read_message(Rows& messages, Rows& rest, std::string& scratch);

// That of an id which has rows in the queue: it is damage if there is none.
Result<MessageRecord> read_queued(const MessageId& id, Rows& messages, Rows& rest, std::string& scratch);

enum class Detail { recipients, recipients_and_events };
// The view of a message just read. What of it is damaged is named in the view, the rest is shown.
MessageView read_view(Message message, Rows& queue, Rows& events, Detail detail);

// Its rows of content from number `from`, checked, until they are `bytes` long or the last has been read.
// Answers the number of the row that follows.
Result<std::uint32_t> read_chunks(const MessageRecord& record, std::uint32_t from, std::size_t bytes,
                                  Rows& bodies, std::string& content);

// Calls `row` for each row with the prefix that can be read, and `damage` with an error for each that cannot.
// `first` is the least key there can be: what lies before it may be on a damaged page that is not concerned.
template <class Row, class OnDamage>
void each_row(Rows& rows, std::string_view first, std::string_view prefix, Row row, OnDamage damage) {
  for (auto found = rows.seek_from(first);; found = rows.next()) {
    if (!found) damage(found.error());
    if (found ? !*found : !rows.valid()) return;
    if (!rows.key().starts_with(prefix)) return;
    row();
  }
}

// Where a recipient stands by its events, taken in their order.
struct History {
  Status status = Status::queued;
  std::uint32_t attempts = 0;
  std::uint32_t next_event = 0;
  Result<void> whole;  // else the first damage: an event that is lost may be the final one

  void take(Rows& events);  // the one they stand on
  void damaged(const Error& error);
};

QueueRecord row_of(const History& history,
                   const Message& message);  // due as if never tried; without its texts

// A row of the queue that cannot be read, as the message and its events have it: the last event says where
// the recipient stands, and it is due when its message's time begins.
struct RebuiltRow {
  QueueRecord row;  // without its texts
  RowTexts texts;
  Result<void> history;  // the first of its events' damage: with one lost, it may be finished
};
// An error if the message cannot be read either, or has no such recipient.
Result<RebuiltRow> rebuild_row(const RecipientRef& ref, Rows& messages, Rows& rest, Rows& events);

// Whether a recipient of the message has a row, other than a closed one, which is only there because it could
// not be erased. A damaged row is an open recipient's.
Result<bool> has_open_row(Rows& queue, const MessageId& id);

// The recipient that `queue` stands on: as its row says, or rebuilt, or as its events say if rows are
// doubtful.
struct OpenRow {
  std::optional<QueueEntry> entry;  // none: neither could be had; with a terminal status: it is closed
  std::string damage;               // of the row, a sentence; empty if it is whole
  std::string lost;                 // why it could not be rebuilt, if there is no entry
};
QueueEntry entry_of(const RecipientRef& ref, const QueueRecord& row, RowTexts texts);
OpenRow read_open(Rows& queue, Rows& messages, Rows& rest, Rows& events, bool doubtful);
// Of the commit a transaction reads: whether rows of the queue may be behind their events. Yes if that cannot
// be told.
bool is_doubtful(const Txn& txn);

}  // namespace relay::spool
