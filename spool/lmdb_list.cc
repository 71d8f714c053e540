// The Store's reads that answer many rows: lists of messages and of the queue, and the scan at start-up.
#include <algorithm>
#include <limits>
#include <utility>

#include "spool/lmdb_message.h"
#include "spool/lmdb_store.h"

namespace relay::spool {
namespace {

// Rows one transaction goes through; a slice takes about a millisecond.
constexpr std::size_t slice_rows = 4096;

MessageId last_possible() {
  MessageId id;
  id.bytes.fill(0xff);
  return id;
}

QueueEntry entry_of(std::string_view key, const QueueRecord& row) {
  return {.ref = recipient_of(key),
          .status = row.status,
          .due = row.due,
          .accepted = row.accepted,
          .attempts = row.attempts,
          .domain = std::string(row.domain)};
}

// Goes through the queue from `from`, at most one slice, until `each` (of the key and the row) answers false.
// Answers where to go on, or nothing at the end.
template <class Each>
Result<std::optional<RecipientRef>> slice(const Txn& txn, const RecipientRef& from, Each each) {
  auto queue = Cursor::open(txn, Table::queue);
  if (!queue) return std::unexpected(queue.error());
  std::size_t rows = 0;
  auto found = queue->seek_from(RowKey::recipient(from).view());
  for (; found && *found; found = queue->next()) {
    if (rows++ == slice_rows) return recipient_of(queue->key());
    const auto payload = queue->payload();
    if (!payload) return std::unexpected(payload.error());
    const auto row = decode_queue(*payload);
    if (!row) return queue->damaged();
    const Result<bool> more = each(queue->key(), *row);
    if (!more) return std::unexpected(more.error());
    if (!*more) return std::nullopt;
  }
  if (!found) return std::unexpected(found.error());
  return std::nullopt;
}

// Fills queue rows with what their message says; neighbours are often of one message.
class Completer {
 public:
  static Result<Completer> begin(const Txn& txn) {
    auto messages = Cursor::open(txn, Table::messages);
    if (!messages) return std::unexpected(messages.error());
    auto rest = Cursor::open(txn, Table::rest);
    if (!rest) return std::unexpected(rest.error());
    return Completer(std::move(*messages), std::move(*rest));
  }

  Result<void> complete(QueueRow& row) {
    const MessageId& id = row.entry.ref.message;
    if (!message_ || message_->id != id) {
      const auto found = messages_.seek(RowKey::message(id).view());
      if (!found) return std::unexpected(found.error());
      if (!*found) return fail(Errc::corrupt, "the spool has lost the record of the queued " + id.text());
      auto record = read_message(messages_, rest_, scratch_);
      if (!record) return std::unexpected(record.error());
      message_ = std::move(record->message);
    }
    const auto& recipients = message_->envelope.recipients;
    if (row.entry.ref.index >= recipients.size())
      return fail(Errc::corrupt, "the spool's queue has a recipient that " + id.text() + " does not have");
    row.address = recipients[row.entry.ref.index].address;
    row.reverse_path = message_->envelope.reverse_path;
    row.account = message_->account;
    row.size = message_->size;
    return {};
  }

 private:
  Completer(Cursor messages, Cursor rest) : messages_(std::move(messages)), rest_(std::move(rest)) {}
  Cursor messages_, rest_;
  std::optional<Message> message_;
  std::string scratch_;
};

// Finds the messages of a list: all of them, or through the index those of one account.
class Newest {
 public:
  static Result<Newest> begin(const Txn& txn, const MessageQuery& query) {
    auto cursor = Cursor::open(txn, query.account ? Table::accounts : Table::messages);
    if (!cursor) return std::unexpected(cursor.error());
    return Newest(std::move(*cursor), query);
  }

  // The id of the next older message, if there is one.
  Result<std::optional<MessageId>> next() {
    const MessageId before = query_.before.value_or(last_possible());
    const RowKey bound = query_.account ? RowKey::account(*query_.account, before) : RowKey::message(before);
    const auto found = started_ ? cursor_.previous() : cursor_.before(bound.view());
    started_ = true;
    if (!found) return std::unexpected(found.error());
    if (!*found) return std::nullopt;
    std::string_view key = cursor_.key();
    if (query_.account) {
      constexpr std::size_t hash_bytes = 8;
      if (!key.starts_with(bound.view().substr(0, hash_bytes))) return std::nullopt;
      key.remove_prefix(hash_bytes);
    }
    return message_of(key);
  }

 private:
  Newest(Cursor cursor, const MessageQuery& query) : cursor_(std::move(cursor)), query_(query) {}
  Cursor cursor_;
  const MessageQuery& query_;
  bool started_ = false;
};

}  // namespace

Result<std::vector<MessageView>> LmdbStore::list(const MessageQuery& query) const {
  auto txn = Txn::begin_read(*environment_);
  if (!txn) return std::unexpected(txn.error());
  auto newest = Newest::begin(*txn, query);
  if (!newest) return std::unexpected(newest.error());
  auto messages = Cursor::open(*txn, Table::messages);
  auto rest = Cursor::open(*txn, Table::rest);
  auto queue = Cursor::open(*txn, Table::queue);
  auto events = Cursor::open(*txn, Table::events);
  for (const auto* cursor : {&messages, &rest, &queue, &events})
    if (!*cursor) return std::unexpected(cursor->error());
  std::vector<MessageView> views;
  std::string scratch;
  while (views.size() < query.limit) {
    const auto id = newest->next();
    if (!id) return std::unexpected(id.error());
    if (!*id) break;
    const auto found = messages->seek(RowKey::message(**id).view());
    if (!found) return std::unexpected(found.error());
    if (!*found) continue;  // see Batch::forget
    auto record = read_message(*messages, *rest, scratch);
    if (!record) return std::unexpected(record.error());
    if (query.account && record->message.account != *query.account) continue;
    auto view = read_view(std::move(record->message), *queue, *events, Detail::recipients);
    if (!view) return std::unexpected(view.error());
    views.push_back(std::move(*view));
  }
  return views;
}

Result<std::vector<QueueRow>> LmdbStore::list_queue(const QueueQuery& query) const {
  std::vector<QueueRow> rows;
  std::optional<RecipientRef> from = RecipientRef{};
  if (query.after) {
    if (query.after->index == std::numeric_limits<std::uint32_t>::max())
      return fail(Errc::invalid, "the cursor names a recipient that cannot exist");
    from = RecipientRef{query.after->message, query.after->index + 1};
  }
  while (from && rows.size() < query.limit) {
    auto txn = Txn::begin_read(*environment_);
    if (!txn) return std::unexpected(txn.error());
    auto completer = Completer::begin(*txn);
    if (!completer) return std::unexpected(completer.error());
    const auto next = slice(*txn, *from, [&](std::string_view key, const QueueRecord& row) -> Result<bool> {
      if (query.domain && row.domain != *query.domain) return true;
      if (query.status && row.status != *query.status) return true;
      rows.emplace_back().entry = entry_of(key, row);
      if (auto r = completer->complete(rows.back()); !r) return std::unexpected(r.error());
      return rows.size() < query.limit;
    });
    if (!next) return std::unexpected(next.error());
    from = *next;
  }
  return rows;
}

Result<void> LmdbStore::scan_queue(const std::function<bool(QueueEntry)>& each) const {
  std::optional<RecipientRef> from = RecipientRef{};
  std::vector<QueueEntry> entries;
  while (from) {
    entries.clear();
    {
      auto txn = Txn::begin_read(*environment_);
      if (!txn) return std::unexpected(txn.error());
      const auto next = slice(*txn, *from, [&](std::string_view key, const QueueRecord& row) -> Result<bool> {
        entries.push_back(entry_of(key, row));
        return true;
      });
      if (!next) return std::unexpected(next.error());
      from = *next;
    }
    // Outside of the transaction: what `each` does may take as long as it likes.
    for (auto& entry : entries)
      if (!each(std::move(entry))) return {};
  }
  return {};
}

}  // namespace relay::spool
