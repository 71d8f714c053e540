// Records: the keys and the payloads of every table, as spool/FORMAT.md describes them.
//
// Encoders append to a string the caller keeps, so that a busy writer does not allocate. Decoders take a
// payload out of its frame and answer nothing for one without legal meaning: an enum out of range, a count
// past the end, bytes left over. Pure; any thread.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "spool/codec.h"
#include "spool/types.h"

namespace relay::spool {

// ---- keys ----
class RowKey {
 public:
  std::string_view view() const { return {bytes_.data(), size_}; }
  static RowKey message(const MessageId& id);
  static RowKey part(const MessageId& id, std::uint32_t number);  // of bodies and of rest
  static RowKey recipient(const RecipientRef& ref);
  static RowKey event(const RecipientRef& ref, std::uint32_t sequence);
  // Under the account's 64-bit hash: accounts of equal hash share a range, the record tells them apart.
  static RowKey account(const AccountId& account, const MessageId& id);
  // The beginning of a digest of all: whoever chooses a key cannot choose another account's row.
  static RowKey idempotency(const IdempotencyKey& key);

 private:
  void append(std::string_view bytes);
  void append(std::uint64_t value, int bytes);  // big-endian, so that keys sort as numbers
  std::array<char, 24> bytes_{};
  std::size_t size_ = 0;
};

MessageId message_of(std::string_view key);        // of messages, rest, bodies, queue and events
RecipientRef recipient_of(std::string_view key);   // of queue and events
std::uint32_t event_number(std::string_view key);  // of events: the sequence
bool begins_with_id(Table table);                  // whether its keys begin with a message's id
// For sentences about damage: "msg_…" of such a key, or `otherwise` if the key is none; "msg_…, recipient 3".
std::string id_in(std::string_view key, std::string_view otherwise);
std::string describe(Table table, std::string_view key);

// In `meta`, if outcomes were recorded by events alone: rows of the queue may be behind their events.
inline constexpr std::string_view doubtful_row = "doubtful";

// ---- payloads ----
struct MessageRecord {
  Message message;           // without id (the key has it) and body
  std::uint32_t chunks = 0;  // of the body
};
void encode_message(const Message& message, std::uint32_t chunks, std::string& out);
std::optional<MessageRecord> decode_message(const MessageId& id, std::string_view payload);

// What stands under an idempotency key: the message that was accepted with it last.
void encode_idempotency(const MessageId& id, std::string& out);
std::optional<MessageId> decode_idempotency(std::string_view payload);

struct QueueRecord {
  Status status = Status::queued;  // terminal: the row is closed, and could not be erased
  std::uint32_t attempts = 0;
  std::uint32_t next_event = 0;  // sequence number of the recipient's next event
  WallTime due;
  WallTime since;                         // the message's
  std::string_view domain;                // into what was decoded
  std::string_view account;               // the message's, as `domain`; empty in a row of version 1
  Stream stream = Stream::transactional;  // the message's
};
void encode_queue(const QueueRecord& record, std::string& out);
std::optional<QueueRecord> decode_queue(const Payload& payload);

// The texts of a row, where it outlives what it was decoded from or was made anew.
struct RowTexts {
  std::string domain, account;

  RowTexts() = default;
  explicit RowTexts(const QueueRecord& row) : domain(row.domain), account(row.account) {}
  RowTexts(const Message& message, std::uint32_t recipient);
  void lend_to(QueueRecord& row) const { row.domain = domain, row.account = account; }
};

void encode_event(const Event& event, Status status, std::uint32_t attempts, std::string& out);
std::optional<EventRecord> decode_event(std::uint32_t recipient, std::string_view payload);

void encode_key(const ApiKey& key, std::string& out);
std::optional<ApiKey> decode_key(std::string_view id, const Payload& payload);

void encode_key_day(const KeyDay& day, std::string& out);
std::optional<KeyDay> decode_key_day(std::string_view id, std::string_view payload);

}  // namespace relay::spool
