// What the spool stores, in the domain's terms. Plain values; nothing of LMDB here (a PostgreSQL-protocol
// store is to stand behind the same types).
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "mta/base/body.h"
#include "mta/base/clock.h"
#include "mta/base/ids.h"
#include "mta/base/secret.h"
#include "mta/wire/envelope.h"

namespace relay::spool {

enum class Origin : std::uint8_t { smtp = 1, http = 2 };

// What kind of mail it is, to its sender.
enum class Stream : std::uint8_t { transactional = 1, bulk = 2 };
std::string_view text(Stream stream);  // "transactional"

struct Metadata {  // the sender's own, for look-ups
  std::string name, value;
  friend bool operator==(const Metadata&, const Metadata&) = default;
};

// What a message that comes again is known by. The sandbox is a world of its own: nothing in it answers for
// what is to be sent, nor the other way round.
struct IdempotencyKey {
  AccountId account;
  std::string key;
  bool sandbox = false;
  friend auto operator<=>(const IdempotencyKey&, const IdempotencyKey&) = default;
};

// A message as accepted. Immutable; shared between intake, writer and queue.
struct Message {
  MessageId id;
  AccountId account;
  KeyId key;
  Origin origin = Origin::smtp;
  WallTime accepted;
  wire::Envelope envelope;
  // For lists and look-ups, from the header section; UTF-8, decoded, bounded by intake.
  std::string from;
  std::string subject;
  std::string rfc_message_id;  // without angle brackets
  std::vector<std::string> tags;
  std::vector<Metadata> metadata;  // in their order
  Stream stream = Stream::transactional;
  bool sandbox = false;               // nothing of it leaves the relay
  std::string idempotency_key;        // its account's; empty: none
  std::optional<WallTime> scheduled;  // not to be sent before; none: at once
  BodyPtr body;                       // null when read back without its content
  std::uint64_t size = 0;             // of the body, in bytes

  IdempotencyKey idempotency() const { return {account, idempotency_key, sandbox}; }
  // When its time begins: neither retries nor retention count from before it.
  WallTime since() const { return scheduled ? std::max(accepted, *scheduled) : accepted; }
};
using MessagePtr = std::shared_ptr<const Message>;

// Where one recipient stands. queued and held are open; the others are terminal and final.
enum class Status : std::uint8_t { queued = 1, held = 2, delivered = 3, failed = 4, cancelled = 5 };
std::string_view text(Status status);  // "queued"
inline bool terminal(Status s) { return s != Status::queued && s != Status::held; }

enum class EventType : std::uint8_t {
  queued = 1,
  delivered = 2,
  deferred = 3,
  failed = 4,
  held = 5,
  released = 6,
  cancelled = 7,
  retried = 8
};
std::string_view text(EventType type);

// Something that happened to one recipient. `queued` is not stored apart: the message record says it.
struct Event {
  EventType type = EventType::queued;
  WallTime at;
  std::uint32_t recipient = 0;
  std::string stage;   // phrase of the SMTP stage, for attempts
  std::string host;    // "mx.example.net [192.0.2.1]:25", for attempts
  wire::Reply reply;   // code 0 if the host gave none
  std::string detail;  // what happened if not a reply: "connection refused"
  bool tls = false;
  bool in_doubt = false;  // the connection was lost, or the relay stopped, after the final dot
  std::uint32_t duration_ms = 0;
};

// An event and what it left.
struct EventRecord {
  Event event;
  Status status = Status::queued;  // of the recipient after the event
  std::uint32_t attempts = 0;      // the same
};

struct RecipientState {
  std::string address;
  Status status = Status::queued;
  WallTime next_attempt;  // of a queued one
  std::uint32_t attempts = 0;
  std::optional<Event> last;  // the newest event of an attempt
};

struct MessageView {
  Message message;  // body null
  std::vector<RecipientState> recipients;
  std::vector<Event> events;  // by time; begins with a `queued` event for each recipient
  // What of it could not be read, a sentence each; the rest is shown. In a list also a message of which
  // nothing but the id can be shown.
  std::vector<std::string> damage = {};
};

// An open recipient as the scheduler needs it: small.
struct QueueEntry {
  RecipientRef ref;
  Status status = Status::queued;
  WallTime due;
  WallTime since;  // Message::since()
  std::uint32_t attempts = 0;
  std::string domain;
  AccountId account = {};  // the message's; empty for one that was queued before rows had it
  Stream stream = Stream::transactional;
};

// Something in the store that cannot be read as it was written, and whom it concerns if that is known.
struct Damage {
  std::string what;  // a sentence without a full stop
  std::optional<MessageId> message = {};
  std::optional<std::uint32_t> recipient = {};
};

// What claiming the queue has come to.
struct Claimed {
  std::uint64_t recipients = 0;  // handed over
  std::uint64_t rebuilt = 0;     // of them: from the message and its events, their own record is damaged
  std::uint64_t lost = 0;        // were in the queue and could not be handed over
};

// ---- keys ----
// Which senders of a message must be ones that its key may use.
enum class SenderCheck : std::uint8_t { both = 0, envelope = 1, header = 2 };
std::string_view text(SenderCheck check);  // "both"

// What a key may do. An empty list and 0 say nothing: there is no limit of the key's own.
struct KeyPolicy {
  std::vector<std::string> domains;       // lower-case A-labels; "*.example.com": all below it
  std::vector<std::string> addresses;     // as wire::parse_address has them; letter case does not count
  SenderCheck check = SenderCheck::both;  // of no effect without domains and addresses
  std::vector<std::string> networks;      // as Network::parse takes them
  std::uint32_t recipients = 0;           // a message
  std::uint64_t message_bytes = 0;
  std::uint32_t rate = 0;      // messages in 1,000 seconds: what people write with three decimals a second
  std::uint32_t burst = 0;     // messages that may come at once; 0: see KeyPolicy::most_at_once
  std::uint64_t daily = 0;     // messages from one midnight UTC to the next
  std::uint32_t sessions = 0;  // at once
  friend bool operator==(const KeyPolicy&, const KeyPolicy&) = default;

  bool names_senders() const { return !domains.empty() || !addresses.empty(); }
  // Half as much again as the rate for ten seconds, if no burst is set; one at least.
  std::uint32_t most_at_once() const {
    if (burst > 0) return burst;
    return rate < 200 ? 1 : rate / 200;
  }
};

struct ApiKey {
  KeyId id;
  AccountId account;
  std::string label;
  Digest hash{};  // SHA-256 of the whole key text; keys have 160 random bits, so no slow hash is needed
  WallTime created;
  std::optional<WallTime> revoked;
  KeyPolicy policy = {};
};

using UtcDay = std::uint32_t;  // since 1970-01-01
inline UtcDay day_of(WallTime at) {
  return static_cast<UtcDay>(std::chrono::floor<std::chrono::days>(at).time_since_epoch().count());
}
// The day to count on at `day`, where something is counted on `counted` already: loops that read their clocks
// at midnight do not take a new day back. A day that is further ahead was a clock's fault.
inline UtcDay day_to_count_on(UtcDay counted, UtcDay day) { return counted == day + 1 ? counted : day; }
// What a key with a daily limit has sent on the last day on which it has sent anything.
struct KeyDay {
  KeyId key;
  UtcDay day = 0;
  std::uint64_t messages = 0;
};

// ---- operations: what may change, applied in batches, each batch in one durable commit ----
struct Accept {
  MessagePtr message;
  WallTime due;          // first attempt
  bool counted = false;  // its key has a daily limit: the day's count goes into the same commit
};
using Ticket = std::uint32_t;  // an attempt's place in the ledger (see in_flight.h); 0: it has none
struct Attempted {             // the outcome of one attempt for one recipient
  RecipientRef ref;
  Event event;                     // delivered, deferred or failed
  Status status = Status::queued;  // queued (with due), delivered or failed
  WallTime due;
  Ticket ticket = 0;  // not stored: the writer settles it after the commit
};
struct SetStatus {  // hold, release (queued), cancel, retry now (queued with due)
  RecipientRef ref;
  Event event;
  Status status = Status::held;
  WallTime due;
};
struct Restore {  // a message as another spool had it, with all that happened to it
  struct Recipient {
    Status status = Status::queued;
    std::uint32_t attempts = 0;
    WallTime due;                     // of an open one
    std::vector<EventRecord> events;  // in their order
  };
  MessagePtr message;  // with its body if a recipient is open
  std::vector<Recipient> recipients;
  bool counted = false;  // as Accept's: it is new
};
struct PutKey {
  ApiKey key;
};  // insert or replace
struct Purge {
  WallTime before;
  std::uint32_t at_most = 1000;
};  // forget closed messages whose time began before
using Operation = std::variant<Accept, Attempted, SetStatus, Restore, PutKey, Purge>;
const Message* new_message(const Operation& operation);  // that it adds; null if it adds none

// ---- queries ----
struct MessageQuery {
  std::optional<AccountId> account;
  std::optional<MessageId> before;  // cursor: strictly older than
  std::uint32_t limit = 50;
};
struct QueueQuery {
  std::optional<std::string> domain;
  std::optional<Status> status;
  std::optional<RecipientRef> after;  // cursor
  std::uint32_t limit = 50;
};
struct QueueRow {
  QueueEntry entry;
  std::string address;
  std::string reverse_path;
  AccountId account;
  std::uint64_t size = 0;
  std::optional<WallTime> scheduled = {};
  std::string damage = {};  // a sentence if not all of it could be read
};
struct Counts {
  std::uint64_t messages = 0, queued = 0;
  std::uint64_t idempotency_keys = 0;
};  // queued: rows of the queue, open recipients but for what damage keeps there

struct Space {              // of the storage, in bytes
  std::uint64_t file = 0;   // on disk, what is allocated ahead included
  std::uint64_t used = 0;   // holds data
  std::uint64_t free = 0;   // between what is used: taken again before the file grows
  std::uint64_t limit = 0;  // the most it may grow to
  std::uint64_t room = 0;   // for new mail: what is free, on the disk too, without the reserve
};

}  // namespace relay::spool
