#include "spool/records.h"

#include <fmt/format.h>
#include <array>

#include <algorithm>
#include <cstring>

#include "mta/base/result.h"
#include "mta/base/secret.h"

namespace relay::spool {
namespace {

std::string_view bytes_of(const MessageId& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

// FNV-1a: its values are part of the format.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3;
  return hash;
}

std::uint32_t number_at(std::string_view key, std::size_t offset) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(key[offset + i]);
  return value;
}

// An enum whose values are `first` to `last` without a gap.
template <class Enum>
Enum enum_from(Source& source, Enum first, Enum last) {
  const std::uint8_t value = source.u8();
  if (value >= static_cast<std::uint8_t>(first) && value <= static_cast<std::uint8_t>(last))
    return static_cast<Enum>(value);
  source.spoil();
  return first;
}

Status status_from(Source& source) { return enum_from(source, Status::queued, Status::cancelled); }

std::uint32_t count_from(Source& source) {
  const std::uint64_t value = source.count();
  if (value > UINT32_MAX) source.spoil();
  return static_cast<std::uint32_t>(value);
}

void encode_texts(const std::vector<std::string>& texts, Sink& sink) {
  sink.count(texts.size());
  for (const auto& text : texts) sink.text(text);
}

std::vector<std::string> texts_from(Source& source) {
  std::vector<std::string> texts(source.items());
  for (auto& text : texts) text = source.text();
  return texts;
}

void encode_policy(const KeyPolicy& policy, Sink& sink) {
  encode_texts(policy.domains, sink);
  encode_texts(policy.addresses, sink);
  sink.u8(static_cast<std::uint8_t>(policy.check));
  encode_texts(policy.networks, sink);
  sink.count(policy.recipients);
  sink.count(policy.message_bytes);
  sink.count(policy.rate);
  sink.count(policy.burst);
  sink.count(policy.daily);
  sink.count(policy.sessions);
}

KeyPolicy policy_from(Source& source) {
  KeyPolicy policy;
  policy.domains = texts_from(source);
  policy.addresses = texts_from(source);
  policy.check = enum_from(source, SenderCheck::both, SenderCheck::header);
  policy.networks = texts_from(source);
  policy.recipients = count_from(source);
  policy.message_bytes = source.count();
  policy.rate = count_from(source);
  policy.burst = count_from(source);
  policy.daily = source.count();
  policy.sessions = count_from(source);
  return policy;
}

// smtputf8 and eight_bit are all that version 1 knows.
enum MessageFlags : std::uint8_t { smtputf8 = 1, eight_bit = 2, sandbox = 4, bulk = 8, more = 16 };
// What follows a record that has `more`, in this order.
enum More : std::uint8_t {
  dsn_return = 1,
  envelope_id = 2,
  recipients_dsn = 4,
  metadata = 8,
  idempotency_key = 16,
  scheduled = 32
};
enum EventFlags : std::uint8_t { tls = 1, in_doubt = 2 };

}  // namespace

void RowKey::append(std::string_view bytes) {
  RELAY_ASSERT(size_ + bytes.size() <= bytes_.size());
  std::memcpy(bytes_.data() + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
}

void RowKey::append(std::uint64_t value, int bytes) {
  RELAY_ASSERT(size_ + static_cast<std::size_t>(bytes) <= bytes_.size());
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    bytes_[size_++] = static_cast<char>(value >> shift & 0xff);
}

RowKey RowKey::message(const MessageId& id) {
  RowKey key;
  key.append(bytes_of(id));
  return key;
}

RowKey RowKey::part(const MessageId& id, std::uint32_t number) {
  RowKey key = message(id);
  key.append(number, 4);
  return key;
}

RowKey RowKey::recipient(const RecipientRef& ref) { return part(ref.message, ref.index); }

RowKey RowKey::event(const RecipientRef& ref, std::uint32_t sequence) {
  RowKey key = recipient(ref);
  key.append(sequence, 4);
  return key;
}

RowKey RowKey::account(const AccountId& account, const MessageId& id) {
  RowKey key;
  key.append(hash_of(account.value), 8);
  key.append(bytes_of(id));
  return key;
}

RowKey RowKey::idempotency(const IdempotencyKey& key) {
  constexpr std::size_t kept = 16;
  const Digest digest = sha256(key.account.value + (key.sandbox ? '\1' : '\0') + key.key);
  RowKey row;
  row.append({reinterpret_cast<const char*>(digest.data()), kept});
  return row;
}

MessageId message_of(std::string_view key) {
  MessageId id;
  std::memcpy(id.bytes.data(), key.data(), std::min(key.size(), id.bytes.size()));
  return id;
}

RecipientRef recipient_of(std::string_view key) {
  return {message_of(key), key.size() >= 20 ? number_at(key, 16) : 0};
}

std::uint32_t event_number(std::string_view key) { return key.size() >= 24 ? number_at(key, 20) : 0; }

bool begins_with_id(Table table) {
  return table != Table::meta && table != Table::keys && table != Table::accounts && table != Table::usage &&
         table != Table::idempotency;
}

std::string id_in(std::string_view key, std::string_view otherwise) {
  constexpr std::size_t id_bytes = std::tuple_size_v<decltype(MessageId::bytes)>;
  return key.size() >= id_bytes ? message_of(key).text() : std::string(otherwise);
}

std::string describe(Table table, std::string_view key) {
  if (table == Table::keys || table == Table::usage) return fmt::format("key {}", key);
  if (!begins_with_id(table) || key.size() < 16) return "its own";
  std::string id = message_of(key).text();
  if (key.size() < 20) return id;
  const bool parts = table == Table::bodies || table == Table::rest;
  return fmt::format("{}, {} {}", id, parts ? "part" : "recipient", number_at(key, 16));
}

namespace {

std::uint8_t more_of(const Message& message) {
  const wire::Envelope& envelope = message.envelope;
  const bool asked = std::ranges::any_of(
      envelope.recipients, [](const wire::Recipient& r) { return r.notify != 0 || !r.original.empty(); });
  return static_cast<std::uint8_t>(
      (envelope.ret != wire::DsnReturn::unsaid ? dsn_return : 0) | (!envelope.id.empty() ? envelope_id : 0) |
      (asked ? recipients_dsn : 0) | (!message.metadata.empty() ? metadata : 0) |
      (!message.idempotency_key.empty() ? idempotency_key : 0) | (message.scheduled ? scheduled : 0));
}

void encode_more(const Message& message, std::uint8_t what, Sink& sink) {
  sink.u8(what);
  if (what & dsn_return) sink.u8(static_cast<std::uint8_t>(message.envelope.ret));
  if (what & envelope_id) sink.text(message.envelope.id);
  if (what & recipients_dsn)
    for (const auto& recipient : message.envelope.recipients) {
      sink.u8(recipient.notify);
      sink.text(recipient.original);
    }
  if (what & metadata) {
    sink.count(message.metadata.size());
    for (const auto& [name, value] : message.metadata) {
      sink.text(name);
      sink.text(value);
    }
  }
  if (what & idempotency_key) sink.text(message.idempotency_key);
  if (what & scheduled) sink.time(*message.scheduled);
}

void decode_more(Source& source, Message& message) {
  constexpr std::uint8_t notify_all = 15;
  const std::uint8_t what = source.u8();
  if (what == 0 || what > 63) source.spoil();
  if (what & dsn_return)
    message.envelope.ret = enum_from(source, wire::DsnReturn::full, wire::DsnReturn::headers);
  if (what & envelope_id) message.envelope.id = source.text();
  if (what & recipients_dsn)
    for (auto& recipient : message.envelope.recipients) {
      recipient.notify = source.u8();
      if (recipient.notify > notify_all) source.spoil();
      recipient.original = source.text();
    }
  if (what & metadata) {
    message.metadata.resize(source.items());
    for (auto& [name, value] : message.metadata) {
      name = source.text();
      value = source.text();
    }
  }
  if (what & idempotency_key) message.idempotency_key = source.text();
  if (what & scheduled) message.scheduled = source.time();
  // Each says something, or its bit would not be there.
  if (what != more_of(message)) source.spoil();
}

}  // namespace

void encode_message(const Message& message, std::uint32_t chunks, std::string& out) {
  const std::uint8_t and_more = more_of(message);
  Sink sink(out);
  sink.u8(static_cast<std::uint8_t>(message.origin));
  sink.u8(static_cast<std::uint8_t>(
      (message.envelope.smtputf8 ? smtputf8 : 0) | (message.envelope.eight_bit ? eight_bit : 0) |
      (message.sandbox ? sandbox : 0) | (message.stream == Stream::bulk ? bulk : 0) |
      (and_more != 0 ? more : 0)));
  sink.time(message.accepted);
  sink.text(message.account.value);
  sink.text(message.key.value);
  sink.text(message.from);
  sink.text(message.subject);
  sink.text(message.rfc_message_id);
  sink.count(message.tags.size());
  for (const auto& tag : message.tags) sink.text(tag);
  sink.count(message.size);
  sink.count(chunks);
  sink.text(message.envelope.reverse_path);
  sink.count(message.envelope.recipients.size());
  for (const auto& recipient : message.envelope.recipients) sink.text(recipient.address);
  if (and_more != 0) encode_more(message, and_more, sink);
}

std::optional<MessageRecord> decode_message(const MessageId& id, std::string_view payload) {
  MessageRecord record;
  Message& message = record.message;
  Source source(payload);
  message.id = id;
  message.origin = enum_from(source, Origin::smtp, Origin::http);
  const std::uint8_t flags = source.u8();
  if (flags > (smtputf8 | eight_bit | sandbox | bulk | more)) source.spoil();
  message.envelope.smtputf8 = (flags & smtputf8) != 0;
  message.envelope.eight_bit = (flags & eight_bit) != 0;
  message.sandbox = (flags & sandbox) != 0;
  if (flags & bulk) message.stream = Stream::bulk;
  message.accepted = source.time();
  message.account.value = source.text();
  message.key.value = source.text();
  message.from = source.text();
  message.subject = source.text();
  message.rfc_message_id = source.text();
  message.tags.resize(source.items());
  for (auto& tag : message.tags) tag = source.text();
  message.size = source.count();
  const std::uint64_t chunks = source.count();
  if (chunks > UINT32_MAX) source.spoil();
  record.chunks = static_cast<std::uint32_t>(chunks);
  message.envelope.reverse_path = source.text();
  message.envelope.recipients.resize(source.items());
  for (auto& recipient : message.envelope.recipients) recipient.address = source.text();
  if (flags & more) decode_more(source, message);
  if (!source.done()) return std::nullopt;
  return record;
}

void encode_idempotency(const MessageId& id, std::string& out) { out += bytes_of(id); }

std::optional<MessageId> decode_idempotency(std::string_view payload) {
  if (payload.size() != std::tuple_size_v<decltype(MessageId::bytes)>) return std::nullopt;
  return message_of(payload);
}

RowTexts::RowTexts(const Message& message, std::uint32_t recipient)
    : domain(wire::domain_of(message.envelope.recipients[recipient].address)),
      account(message.account.value) {}

void encode_queue(const QueueRecord& record, std::string& out) {
  Sink sink(out);
  sink.u8(static_cast<std::uint8_t>(record.status));
  sink.u32(record.attempts);
  sink.u32(record.next_event);
  sink.time(record.due);
  sink.time(record.since);
  sink.text(record.domain);
  sink.u8(static_cast<std::uint8_t>(record.stream));
  sink.text(record.account);
}

std::optional<QueueRecord> decode_queue(const Payload& payload) {
  QueueRecord record;
  Source source(payload);
  record.status = status_from(source);
  record.attempts = source.u32();
  record.next_event = source.u32();
  record.due = source.time();
  record.since = source.time();
  record.domain = source.text();
  if (payload.version >= 2) {
    const std::uint8_t stream = source.u8();
    if (stream != static_cast<std::uint8_t>(Stream::transactional) &&
        stream != static_cast<std::uint8_t>(Stream::bulk))
      source.spoil();
    record.stream = Stream{stream};
    record.account = source.text();
  }
  if (!source.done()) return std::nullopt;
  return record;
}

void encode_event(const Event& event, Status status, std::uint32_t attempts, std::string& out) {
  Sink sink(out);
  sink.u8(static_cast<std::uint8_t>(event.type));
  sink.u8(static_cast<std::uint8_t>(status));
  sink.u8(static_cast<std::uint8_t>((event.tls ? tls : 0) | (event.in_doubt ? in_doubt : 0)));
  sink.time(event.at);
  sink.count(attempts);
  sink.count(event.duration_ms);
  sink.text(event.stage);
  sink.text(event.host);
  sink.text(event.detail);
  sink.u32(static_cast<std::uint32_t>(event.reply.code));
  sink.text(event.reply.enhanced);
  sink.count(event.reply.lines.size());
  for (const auto& line : event.reply.lines) sink.text(line);
}

std::optional<EventRecord> decode_event(std::uint32_t recipient, std::string_view payload) {
  EventRecord record;
  Event& event = record.event;
  Source source(payload);
  event.recipient = recipient;
  event.type = enum_from(source, EventType::queued, EventType::retried);
  record.status = status_from(source);
  const std::uint8_t flags = source.u8();
  if (flags > (tls | in_doubt)) source.spoil();
  event.tls = (flags & tls) != 0;
  event.in_doubt = (flags & in_doubt) != 0;
  event.at = source.time();
  const std::uint64_t attempts = source.count();
  const std::uint64_t duration = source.count();
  if (attempts > UINT32_MAX || duration > UINT32_MAX) source.spoil();
  record.attempts = static_cast<std::uint32_t>(attempts);
  event.duration_ms = static_cast<std::uint32_t>(duration);
  event.stage = source.text();
  event.host = source.text();
  event.detail = source.text();
  event.reply.code = static_cast<int>(source.u32());
  event.reply.enhanced = source.text();
  event.reply.lines.resize(source.items());
  for (auto& line : event.reply.lines) line = source.text();
  if (!source.done()) return std::nullopt;
  return record;
}

void encode_key(const ApiKey& key, std::string& out) {
  Sink sink(out);
  sink.text(key.account.value);
  sink.text(key.label);
  sink.text({reinterpret_cast<const char*>(key.hash.data()), key.hash.size()});
  sink.time(key.created);
  sink.u8(key.revoked ? 1 : 0);
  if (key.revoked) sink.time(*key.revoked);
  encode_policy(key.policy, sink);
}

std::optional<ApiKey> decode_key(std::string_view id, const Payload& payload) {
  ApiKey key;
  Source source(payload);
  key.id.value = id;
  key.account.value = source.text();
  key.label = source.text();
  const std::string_view hash = source.text();
  if (hash.size() == key.hash.size())
    std::memcpy(key.hash.data(), hash.data(), hash.size());
  else
    source.spoil();
  key.created = source.time();
  if (source.flag()) key.revoked = source.time();
  if (payload.version >= 2) key.policy = policy_from(source);
  if (!source.done()) return std::nullopt;
  return key;
}

void encode_key_day(const KeyDay& day, std::string& out) {
  Sink sink(out);
  sink.u32(day.day);
  sink.count(day.messages);
}

std::optional<KeyDay> decode_key_day(std::string_view id, std::string_view payload) {
  KeyDay day;
  Source source(payload);
  day.key.value = id;
  day.day = source.u32();
  day.messages = source.count();
  if (!source.done()) return std::nullopt;
  return day;
}

}  // namespace relay::spool
