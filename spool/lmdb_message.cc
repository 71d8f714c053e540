#include "spool/lmdb_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "spool/page_rows.h"
#include "spool/restore.h"

namespace relay::spool {

Result<MessageRecord> read_message(Rows& messages, Rows& rest, std::string& scratch) {
  const auto payload = messages.payload();
  if (!payload) return std::unexpected(payload.error());
  const MessageId id = message_of(messages.key());
  std::string_view bytes = *payload;
  if (bytes.size() < sizeof(std::uint32_t)) return messages.damaged();
  const std::uint32_t more = Source(bytes.substr(0, sizeof more)).u32();
  bytes.remove_prefix(sizeof more);
  if (more > 0) scratch.assign(bytes);
  for (std::uint32_t i = 0; i < more; ++i) {
    const RowKey key = RowKey::part(id, i);
    const auto found = rest.seek(key.view());
    if (!found) return std::unexpected(found.error());
    if (!*found) return missing_row(Table::rest, key.view());
    const auto piece = rest.payload();
    if (!piece) return std::unexpected(piece.error());
    scratch.append(*piece);
  }
  auto record = decode_message(id, more > 0 ? std::string_view(scratch) : bytes);
  if (!record) return messages.damaged();
  return std::move(*record);
}

Result<MessageRecord> read_queued(const MessageId& id, Rows& messages, Rows& rest, std::string& scratch) {
  const auto found = messages.seek(RowKey::message(id).view());
  if (!found) return std::unexpected(found.error());
  if (!*found) return fail(Errc::corrupt, "the spool has lost the record of the queued " + id.text());
  return read_message(messages, rest, scratch);
}

namespace {

// Fills a view from rows, one kind after the other.
class ViewReader {
 public:
  ViewReader(Message message, Detail detail) : detail_(detail) {
    view_.recipients.resize(message.envelope.recipients.size());
    known_.resize(view_.recipients.size());
    told_.resize(view_.recipients.size());
    for (std::uint32_t i = 0; i < view_.recipients.size(); ++i) {
      view_.recipients[i].address = message.envelope.recipients[i].address;
      if (detail == Detail::recipients) continue;
      Event& queued = view_.events.emplace_back();
      queued.at = message.accepted;
      queued.recipient = i;
    }
    view_.message = std::move(message);
  }

  void event(Rows& events) {
    const auto payload = events.payload();
    if (!payload) return damaged(payload.error());
    const std::uint32_t index = recipient_of(events.key()).index;
    auto record = decode_event(index, *payload);
    if (!record || index >= view_.recipients.size()) return damaged(events.damaged().error());
    told_[index] = event_number(events.key()) + 1;
    RecipientState& state = view_.recipients[index];
    state.status = record->status;
    state.attempts = record->attempts;
    known_[index] = terminal(record->status);
    if (of_attempt(record->event.type)) state.last = record->event;
    if (detail_ == Detail::recipients_and_events) view_.events.push_back(std::move(record->event));
  }

  // After the events. A damaged row says that its recipient is open, and the events where it stands.
  void queue_row(Rows& queue) {
    const std::uint32_t index = recipient_of(queue.key()).index;
    const auto payload = queue.payload();
    const auto row = payload ? decode_queue(*payload) : std::nullopt;
    if (!row) damaged(payload ? queue.damaged().error() : payload.error());
    if (row && terminal(row->status) && index < view_.recipients.size()) return closed(index, *row);
    if (index >= view_.recipients.size() || known_[index]) {
      if (row) damaged(queue.damaged().error());
      return;
    }
    known_[index] = true;
    RecipientState& state = view_.recipients[index];
    if (row && row->next_event >= told_[index]) {  // else its outcomes were recorded by events alone
      state.status = row->status;
      state.attempts = row->attempts;
    }
    if (state.status == Status::queued) state.next_attempt = row ? row->due : view_.message.since();
  }

  void damaged(const Error& error) { view_.damage.push_back(error.message); }

  // Its last event may not be there.
  void closed(std::uint32_t index, const QueueRecord& row) {
    known_[index] = true;
    view_.recipients[index].status = row.status;
    view_.recipients[index].attempts = row.attempts;
  }

  MessageView finish() {
    // A page that is lost has been named, and with it all recipients. They are tried as they stand.
    for (std::size_t i = 0; i < known_.size(); ++i)
      if (!known_[i] && view_.recipients[i].status == Status::queued)
        view_.recipients[i].next_attempt = view_.message.since();
    if (const auto lost = std::find(known_.begin(), known_.end(), false);
        lost != known_.end() && view_.damage.empty())
      damaged(
          missing_row(
              Table::queue,
              RowKey::recipient({view_.message.id, static_cast<std::uint32_t>(lost - known_.begin())}).view())
              .error());
    std::stable_sort(view_.events.begin(), view_.events.end(),
                     [](const Event& a, const Event& b) { return a.at < b.at; });
    return std::move(view_);
  }

 private:
  Detail detail_;
  MessageView view_;
  std::vector<bool> known_;
  std::vector<std::uint32_t> told_;  // events of each
};

}  // namespace

// An open recipient has its state in its row of `queue`, a terminal one in its last event, or in a closed
// row.
MessageView read_view(Message message, Rows& queue, Rows& events, Detail detail) {
  const MessageId id = message.id;
  const RowKey key = RowKey::message(id);
  ViewReader reader(std::move(message), detail);
  const auto damaged = [&](const Error& error) { reader.damaged(error); };
  const RecipientRef first{id, 0};
  each_row(events, RowKey::event(first, 0).view(), key.view(), [&] { reader.event(events); }, damaged);
  each_row(queue, RowKey::recipient(first).view(), key.view(), [&] { reader.queue_row(queue); }, damaged);
  return reader.finish();
}

Result<std::uint32_t> read_chunks(const MessageRecord& record, std::uint32_t from, std::size_t bytes,
                                  Rows& bodies, std::string& content) {
  std::uint32_t number = from;
  for (; number < record.chunks && content.size() < bytes; ++number) {
    const RowKey key = RowKey::part(record.message.id, number);
    const auto found = bodies.seek(key.view());
    if (!found) return std::unexpected(found.error());
    if (!*found) return missing_row(Table::bodies, key.view());
    const auto chunk = bodies.payload();
    if (!chunk) return std::unexpected(chunk.error());
    if (number == from)
      content.reserve(std::min(bytes, chunk->bytes.size() * (record.chunks - from)) + chunk->bytes.size());
    content.append(*chunk);
  }
  return number;
}

void History::take(Rows& events) {
  next_event = event_number(events.key()) + 1;
  const auto payload = events.payload();
  const auto event = payload ? decode_event(recipient_of(events.key()).index, *payload) : std::nullopt;
  if (!event) return damaged(payload ? events.damaged().error() : payload.error());
  status = event->status;
  attempts = event->attempts;
}

void History::damaged(const Error& error) {
  if (whole) whole = std::unexpected(error);
}

QueueRecord row_of(const History& history, const Message& message) {
  return {.status = history.status,
          .attempts = history.attempts,
          .next_event = history.next_event,
          .due = message.since(),
          .since = message.since(),
          .domain = {},
          .account = {},
          .stream = message.stream};
}

Result<RebuiltRow> rebuild_row(const RecipientRef& ref, Rows& messages, Rows& rest, Rows& events) {
  const auto found = messages.seek(RowKey::message(ref.message).view());
  if (!found) return std::unexpected(found.error());
  if (!*found) return missing_row(Table::messages, RowKey::message(ref.message).view());
  std::string scratch;
  const auto record = read_message(messages, rest, scratch);
  if (!record) return std::unexpected(record.error());
  const auto& recipients = record->message.envelope.recipients;
  const RowKey key = RowKey::recipient(ref);
  if (ref.index >= recipients.size()) return missing_row(Table::messages, key.view());
  History history;
  each_row(
      events, RowKey::event(ref, 0).view(), key.view(), [&] { history.take(events); },
      [&](const Error& error) { history.damaged(error); });
  return RebuiltRow{.row = row_of(history, record->message),
                    .texts = RowTexts(record->message, ref.index),
                    .history = history.whole};
}

Result<bool> has_open_row(Rows& queue, const MessageId& id) {
  // Not from the bare id: what lies before its first recipient may be on a damaged page that is not
  // concerned.
  const RowKey prefix = RowKey::message(id);
  auto found = queue.seek_from(RowKey::recipient({id, 0}).view());
  for (; found && *found && queue.key().starts_with(prefix.view()); found = queue.next()) {
    const auto payload = queue.payload();
    const auto row = payload ? decode_queue(*payload) : std::nullopt;
    if (!row || !terminal(row->status)) return true;
  }
  if (!found) return found;
  return false;
}

QueueEntry entry_of(const RecipientRef& ref, const QueueRecord& row, RowTexts texts) {
  return {.ref = ref,
          .status = row.status,
          .due = row.due,
          .since = row.since,
          .attempts = row.attempts,
          .domain = std::move(texts.domain),
          .account = {std::move(texts.account)},
          .stream = row.stream};
}

bool is_doubtful(const Txn& txn) {
  PageRows meta(txn, Table::meta);
  const auto found = meta.seek(doubtful_row);
  return !found || *found;
}

OpenRow read_open(Rows& queue, Rows& messages, Rows& rest, Rows& events, bool doubtful) {
  const RecipientRef ref = recipient_of(queue.key());
  const auto payload = queue.payload();
  const auto row = payload ? decode_queue(*payload) : std::nullopt;
  OpenRow open;
  if (row) open.entry = entry_of(ref, *row, RowTexts(*row));
  if (row && (!doubtful || terminal(row->status))) return open;
  if (!row) open.damage = payload ? queue.damaged().error().message : payload.error().message;
  const auto rebuilt = rebuild_row(ref, messages, rest, events);
  if (row && rebuilt && rebuilt->history && row->next_event < rebuilt->row.next_event) {
    open.entry->status = rebuilt->row.status;
    open.entry->attempts = rebuilt->row.attempts;
  }
  if (row) return open;
  if (!rebuilt)
    open.lost = rebuilt.error().message;
  else if (terminal(rebuilt->row.status) && doubtful)
    open = {.entry = entry_of(ref, rebuilt->row, rebuilt->texts), .damage = {}, .lost = {}};
  else if (terminal(rebuilt->row.status))
    open.lost = "it is finished, so that the row's key is damaged too, and it is nobody's";
  else
    open.entry = entry_of(ref, rebuilt->row, rebuilt->texts);
  return open;
}

}  // namespace relay::spool
