#include "spool/lmdb_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace relay::spool {
namespace {

bool belongs(std::string_view key, const RowKey& message) { return key.starts_with(message.view()); }

std::unexpected<Error> missing(Table table, const RowKey& key) {
  return fail(Errc::corrupt, fmt::format("a record of the spool is missing: table {}, {}", name(table),
                                         describe(table, key.view())));
}

bool of_attempt(EventType type) {
  return type == EventType::delivered || type == EventType::deferred || type == EventType::failed;
}

}  // namespace

Result<MessageRecord> read_message(const Cursor& messages, Cursor& rest, std::string& scratch) {
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
    if (!*found) return missing(Table::rest, key);
    const auto piece = rest.payload();
    if (!piece) return std::unexpected(piece.error());
    scratch.append(*piece);
  }
  auto record = decode_message(id, more > 0 ? std::string_view(scratch) : bytes);
  if (!record) return messages.damaged();
  return std::move(*record);
}

// An open recipient has its state in its row of `queue`, a terminal one in its last event.
Result<MessageView> read_view(Message message, Cursor& queue, Cursor& events, Detail detail) {
  const RowKey key = RowKey::message(message.id);
  const auto& recipients = message.envelope.recipients;
  MessageView view;
  view.recipients.resize(recipients.size());
  std::vector<bool> known(recipients.size());
  for (std::uint32_t i = 0; i < recipients.size(); ++i) {
    view.recipients[i].address = recipients[i].address;
    if (detail == Detail::recipients) continue;
    Event& queued = view.events.emplace_back();
    queued.at = message.accepted;
    queued.recipient = i;
  }

  auto found = events.seek_from(key.view());
  for (; found && *found && belongs(events.key(), key); found = events.next()) {
    const auto payload = events.payload();
    if (!payload) return std::unexpected(payload.error());
    const std::uint32_t index = recipient_of(events.key()).index;
    auto record = decode_event(index, *payload);
    if (!record || index >= recipients.size()) return events.damaged();
    RecipientState& state = view.recipients[index];
    state.status = record->status;
    state.attempts = record->attempts;
    known[index] = terminal(record->status);
    if (of_attempt(record->event.type)) state.last = record->event;
    if (detail == Detail::recipients_and_events) view.events.push_back(std::move(record->event));
  }
  if (!found) return std::unexpected(found.error());

  found = queue.seek_from(key.view());
  for (; found && *found && belongs(queue.key(), key); found = queue.next()) {
    const auto payload = queue.payload();
    if (!payload) return std::unexpected(payload.error());
    const std::uint32_t index = recipient_of(queue.key()).index;
    const auto row = decode_queue(*payload);
    if (!row || index >= recipients.size() || known[index]) return queue.damaged();
    RecipientState& state = view.recipients[index];
    state.status = row->status;
    state.attempts = row->attempts;
    if (row->status == Status::queued) state.next_attempt = row->due;
    known[index] = true;
  }
  if (!found) return std::unexpected(found.error());

  if (const auto lost = std::find(known.begin(), known.end(), false); lost != known.end())
    return missing(Table::queue,
                   RowKey::recipient({message.id, static_cast<std::uint32_t>(lost - known.begin())}));
  std::stable_sort(view.events.begin(), view.events.end(),
                   [](const Event& a, const Event& b) { return a.at < b.at; });
  view.message = std::move(message);
  return view;
}

Result<std::uint32_t> read_chunks(const MessageRecord& record, std::uint32_t from, std::size_t bytes,
                                  Cursor& bodies, std::string& content) {
  std::uint32_t number = from;
  for (; number < record.chunks && content.size() < bytes; ++number) {
    const RowKey key = RowKey::part(record.message.id, number);
    const auto found = number == from ? bodies.seek(key.view()) : bodies.next();
    if (!found) return std::unexpected(found.error());
    if (!*found || bodies.key() != key.view()) return missing(Table::bodies, key);
    const auto chunk = bodies.payload();
    if (!chunk) return std::unexpected(chunk.error());
    if (number == from)
      content.reserve(std::min(bytes, chunk->size() * (record.chunks - from)) + chunk->size());
    content.append(*chunk);
  }
  return number;
}

}  // namespace relay::spool
