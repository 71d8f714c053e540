#include "spool/inspect/stored.h"

#include <fmt/format.h>

#include <algorithm>

namespace relay::spool {
namespace {

bool of(const RowCursor& cursor, const MessageId& id) {
  return cursor.valid() && cursor.key().starts_with(RowKey::message(id).view());
}

}  // namespace

std::size_t StoredMessage::open_rows() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(queue, [](const auto& row) { return !row.closed(); }));
}

bool StoredMessage::open() const {
  return record && std::any_of(queue.begin(), queue.end(), [&](const StoredRow& row) {
           return !row.closed() && row.recipient < record->message.envelope.recipients.size();
         });
}

bool StoredMessage::finished() const {
  if (!record) return false;
  std::vector<bool> over(record->message.envelope.recipients.size());
  for (const StoredEvent& event : events)
    if (event.recipient < over.size())
      over[event.recipient] = !event.record || terminal(event.record->status);
  for (const StoredRow& row : queue)
    if (row.closed() && row.recipient < over.size()) over[row.recipient] = true;
  return std::find(over.begin(), over.end(), false) == over.end();
}

MessageWalk::MessageWalk(const View& view, const Tables& tables, Faults& faults)
    : messages_(view, tables, Table::messages, faults),
      rest_(view, tables, Table::rest, faults),
      bodies_(view, tables, Table::bodies, faults),
      queue_(view, tables, Table::queue, faults),
      events_(view, tables, Table::events, faults),
      per_chunk_(view.file().value_bytes() - frame_bytes),
      faults_(&faults) {}

std::optional<MessageId> MessageWalk::seek(const MessageId& from) {
  for (RowCursor* cursor : {&messages_, &rest_, &bodies_, &queue_, &events_})
    cursor->seek_from(RowKey::message(from).view());
  return lowest();
}

// Passes over keys that no row can have; false at the end of the table.
bool MessageWalk::skip_malformed(RowCursor& cursor) {
  while (cursor.valid() && cursor.key().size() != key_bytes(cursor.table())) {
    cursor.damaged(FaultKind::key_malformed, fmt::format("a key is {} bytes long", cursor.key().size()));
    cursor.next();
  }
  return cursor.valid();
}

std::optional<MessageId> MessageWalk::lowest() {
  std::optional<MessageId> low;
  for (RowCursor* cursor : {&messages_, &rest_, &bodies_, &queue_, &events_}) {
    if (!skip_malformed(*cursor)) continue;
    const MessageId id = message_of(cursor->key());
    if (!low || id < *low) low = id;
  }
  return low;
}

MessageId MessageWalk::newest() {
  MessageId newest;
  for (RowCursor* cursor : {&messages_, &rest_, &bodies_, &queue_, &events_}) {
    const auto key = cursor->last_key();
    if (key && key->size() >= newest.bytes.size())
      newest = std::max(newest, message_of(*key));
    else if (!cursor->empty())
      newest.bytes.fill(0xff);
  }
  return newest;
}

StoredMessage MessageWalk::read(const MessageId& id) {
  StoredMessage message;
  message.id = id;
  read_record(message);
  read_queue(message);
  read_events(message);
  return message;
}

StoredMessage MessageWalk::record(const MessageId& id) {
  for (RowCursor* cursor : {&messages_, &rest_}) cursor->seek_from(RowKey::message(id).view());
  StoredMessage message;
  message.id = id;
  read_record(message);
  return message;
}

void MessageWalk::read_record(StoredMessage& message) {
  std::optional<std::string> text;
  std::uint32_t parts = 0;
  if (of(messages_, message.id)) {
    message.listed = true;
    ++message.records, message.bytes += messages_.bytes();
    if (auto payload = messages_.payload()) {
      if (payload->bytes.size() >= sizeof parts) {
        parts = Source(payload->bytes.substr(0, sizeof parts)).u32();
        text = payload->bytes.substr(sizeof parts);
      } else {
        messages_.meaningless();
      }
    }
  }
  const bool readable = text.has_value();
  Ranges missing, surplus;
  std::uint32_t expected = 0;
  for (; of(rest_, message.id); rest_.next()) {
    if (!skip_malformed(rest_) || !of(rest_, message.id)) break;
    ++message.rest, ++message.records, message.bytes += rest_.bytes();
    const std::uint32_t part = recipient_of(rest_.key()).index;
    const auto payload = rest_.payload();
    if (readable && part >= parts) {
      surplus.add(part + 1);
      continue;
    }
    if (readable) missing.add(std::uint64_t{expected} + 1, std::uint64_t{part} + 1);
    expected = part + 1;
    if (!payload || missing.count() > 0)
      text.reset();
    else if (text)
      text->append(*payload);
  }
  if (readable) missing.add(std::uint64_t{expected} + 1, std::uint64_t{parts} + 1);
  if (missing.count() > 0) {
    text.reset();
    faults_->add(
        {.kind = FaultKind::rest_missing,
         .table = Table::rest,
         .message = message.id,
         .what = fmt::format("of {} further parts of its record, {} not there: {}", parts,
                             missing.count() == 1 ? "one is" : fmt::format("{} are", missing.count()),
                             missing.text())});
  }
  if (surplus.count() > 0)
    faults_->add({.kind = FaultKind::rest_surplus,
                  .table = Table::rest,
                  .message = message.id,
                  .what = fmt::format("its record has {} further parts, but there are others: {}", parts,
                                      surplus.text())});
  if (text) {
    message.record = decode_message(message.id, *text);
    if (!message.record) messages_.meaningless();
  }
  if (message.listed) messages_.next();
}

void MessageWalk::read_queue(StoredMessage& message) {
  for (; of(queue_, message.id); queue_.next()) {
    if (!skip_malformed(queue_) || !of(queue_, message.id)) break;
    ++message.records, message.bytes += queue_.bytes();
    StoredRow& row = message.queue.emplace_back();
    row.recipient = recipient_of(queue_.key()).index;
    const auto payload = queue_.payload();
    if (!payload) continue;
    row.row = decode_queue(*payload);
    if (!row.row) {
      queue_.meaningless();
      continue;
    }
    row.version = payload->version;
    row.texts = RowTexts(*row.row);
    row.row->domain = row.row->account = {};
  }
}

void MessageWalk::read_events(StoredMessage& message) {
  for (; of(events_, message.id); events_.next()) {
    if (!skip_malformed(events_) || !of(events_, message.id)) break;
    ++message.records, message.bytes += events_.bytes();
    StoredEvent& event = message.events.emplace_back();
    event.recipient = recipient_of(events_.key()).index;
    event.number = event_number(events_.key());
    const auto payload = events_.payload();
    if (!payload) continue;
    event.record = decode_event(event.recipient, *payload);
    if (!event.record) events_.meaningless();
  }
}

StoredContent MessageWalk::content(const StoredMessage& message,
                                   const std::function<void(std::string_view)>& each) {
  StoredContent found;
  const bool open = message.open();
  // Of a message of which a recipient has been lost the content may be there or not, but whole.
  const bool unsure = !open && !message.finished();
  const bool wanted = open || (unsure && of(bodies_, message.id));
  const std::uint32_t chunks = message.record && wanted ? message.record->chunks : 0;
  const std::uint64_t size = message.record ? message.record->message.size : 0;
  Ranges missing, surplus, wrong;
  std::uint32_t expected = 0;
  bool sound = true;
  for (; of(bodies_, message.id); bodies_.next()) {
    if (!skip_malformed(bodies_) || !of(bodies_, message.id)) break;
    ++found.rows;
    const std::uint32_t number = recipient_of(bodies_.key()).index;
    const auto payload = bodies_.payload();
    if (number >= chunks) {
      surplus.add(number);
      continue;
    }
    missing.add(expected, number);
    expected = number + 1;
    sound &= payload.has_value();
    if (!payload) continue;
    found.bytes += payload->bytes.size();
    if (number + 1 < chunks && payload->bytes.size() != per_chunk_) wrong.add(number);
    each(*payload);
  }
  missing.add(expected, chunks);
  found.whole = message.record && wanted && sound && missing.count() == 0 && found.bytes == size;
  if (!message.record) return found;
  const auto fault = [&](FaultKind kind, std::string what) {
    faults_->add({.kind = kind, .table = Table::bodies, .message = message.id, .what = std::move(what)});
  };
  if (missing.count() > 0)
    fault(FaultKind::body_missing,
          fmt::format("of the {} chunks of its content, {} not there: {}", chunks,
                      missing.count() == 1 ? "one is" : fmt::format("{} are", missing.count()),
                      missing.text()));
  if (surplus.count() > 0 && wanted)
    fault(FaultKind::body_surplus,
          fmt::format("its content has {} chunks, but there are others: {}", chunks, surplus.text()));
  else if (surplus.count() > 0)
    fault(FaultKind::body_surplus, fmt::format("no recipient is open, but its content is still there, {} {}",
                                               surplus.count(), surplus.count() == 1 ? "chunk" : "chunks"));
  if (wrong.count() > 0)
    fault(FaultKind::body_size,
          fmt::format("chunks of its content that should be full are not: {}", wrong.text()));
  else if (wanted && sound && missing.count() == 0 && found.bytes != size)
    fault(FaultKind::body_size,
          fmt::format("its content is {} bytes long, and its record says {}", found.bytes, size));
  return found;
}

bool MessageWalk::stream(const StoredMessage& message, const std::function<void(std::string_view)>& each) {
  std::uint32_t number = 0;
  bodies_.seek_from(RowKey::message(message.id).view());
  for (; of(bodies_, message.id) && number < message.record->chunks; bodies_.next(), ++number) {
    const auto payload = bodies_.payload();
    if (!payload || recipient_of(bodies_.key()).index != number) return false;
    each(*payload);
  }
  while (of(bodies_, message.id)) bodies_.next();
  return number == message.record->chunks;
}

void Ranges::add(std::uint64_t first, std::uint64_t end) {
  if (first >= end) return;
  count_ += end - first;
  if (!ranges_.empty() && ranges_.back().last + 1 == first)
    ranges_.back().last = end - 1;
  else
    ranges_.push_back({first, end - 1});
}

std::string Ranges::text() const {
  std::string all;
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    if (i > 0) all += i + 1 == ranges_.size() ? " and " : ", ";
    const auto& [first, last] = ranges_[i];
    all += first == last ? fmt::format("{}", first) : fmt::format("{} to {}", first, last);
  }
  return all;
}

}  // namespace relay::spool
