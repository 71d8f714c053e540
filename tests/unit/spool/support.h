// What the spool's tests share: a directory that goes with its owner, messages, and operations on them.
#pragma once
#include <doctest/doctest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "mta/base/rng.h"
#include "spool/lmdb.h"

namespace relay::spool::test {

class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "spool-test-XXXXXX").string();
    RELAY_ASSERT(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::string spool() const { return path_ + "/spool"; }

 private:
  std::string path_;
};

inline WallTime at(std::int64_t seconds) { return WallTime(std::chrono::seconds(seconds)); }

// Ids in order of `number`: accepted at that second.
inline MessageId id(std::uint32_t number) {
  MessageId id;
  const std::uint64_t ms = std::uint64_t{number} * 1000;
  for (std::size_t i = 0; i < 6; ++i) id.bytes[i] = static_cast<std::uint8_t>(ms >> (8 * (5 - i)));
  id.bytes[15] = 7;
  return id;
}

inline std::string some_bytes(std::size_t size, std::uint64_t seed) {
  SeededRng rng(seed);
  std::string bytes(size, '\0');
  rng.fill({reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
  return bytes;
}

struct Sample {
  std::uint32_t number = 1;
  std::uint32_t recipients = 1;
  std::string content = "Subject: hello\r\n\r\nbody\r\n";
  std::string account = "acme";
};

inline MessagePtr message(const Sample& sample) {
  Message m;
  m.id = id(sample.number);
  m.account.value = sample.account;
  m.key.value = "abcdefghjkmn";
  m.origin = Origin::http;
  m.accepted = at(sample.number);
  m.envelope.reverse_path = "sender@example.org";
  for (std::uint32_t i = 0; i < sample.recipients; ++i)
    m.envelope.recipients.push_back(
        {"r" + std::to_string(i) + "@d" + std::to_string(i % 3) + ".example.net"});
  m.envelope.eight_bit = true;
  m.from = "Sender <sender@example.org>";
  m.subject = "hello " + std::to_string(sample.number);
  m.rfc_message_id = "x@example.org";
  m.tags = {"one", "two"};
  m.body = std::make_shared<const Body>(sample.content);
  m.size = m.body->size();
  return std::make_shared<const Message>(std::move(m));
}

// With everything a message can carry.
inline MessagePtr full_message(const Sample& sample) {
  Message m = *message(sample);
  m.envelope.ret = wire::DsnReturn::headers;
  m.envelope.id = "envelope 7";
  for (std::size_t i = 0; i < m.envelope.recipients.size(); i += 2) {
    m.envelope.recipients[i].notify = wire::notify_success | wire::notify_delay;
    m.envelope.recipients[i].original = "rfc822;first@example.net";
  }
  m.metadata = {{"order", "17"}, {"colour", ""}, {"a", "sm\xc3\xb8r"}};
  m.stream = Stream::bulk;
  m.sandbox = true;
  m.idempotency_key = "order 17";
  m.scheduled = at(sample.number + 1000);
  return std::make_shared<const Message>(std::move(m));
}

inline MessagePtr with_key(std::uint32_t number, std::string key, std::string account = "acme") {
  Message m = *message({.number = number, .account = std::move(account)});
  m.idempotency_key = std::move(key);
  return std::make_shared<const Message>(std::move(m));
}

inline MessagePtr scheduled(std::uint32_t number, std::int64_t seconds) {
  Message m = *message({.number = number});
  m.scheduled = at(seconds);
  return std::make_shared<const Message>(std::move(m));
}

inline Accept accept_message(const MessagePtr& message) { return {message, message->since()}; }

inline void check_same_attributes(const Message& is, const Message& wanted) {
  CHECK(is.envelope.ret == wanted.envelope.ret);
  CHECK(is.envelope.id == wanted.envelope.id);
  REQUIRE(is.envelope.recipients.size() == wanted.envelope.recipients.size());
  for (std::size_t i = 0; i < is.envelope.recipients.size(); ++i) {
    CHECK(is.envelope.recipients[i].notify == wanted.envelope.recipients[i].notify);
    CHECK(is.envelope.recipients[i].original == wanted.envelope.recipients[i].original);
  }
  CHECK(is.metadata == wanted.metadata);
  CHECK(is.stream == wanted.stream);
  CHECK(is.sandbox == wanted.sandbox);
  CHECK(is.idempotency_key == wanted.idempotency_key);
  CHECK(is.scheduled == wanted.scheduled);
}

inline Accept accept(const Sample& sample) { return {message(sample), at(sample.number)}; }

inline Event event(EventType type, std::int64_t seconds) {
  Event e;
  e.type = type;
  e.at = at(seconds);
  e.stage = "sending RCPT TO";
  e.host = "mx.example.net [192.0.2.1]:25";
  e.reply = {450, "4.2.1", {"busy", "later"}};
  e.detail = "why";
  e.tls = true;
  e.duration_ms = 12;
  return e;
}

inline Attempted attempted(RecipientRef ref, Status status, std::int64_t seconds = 100) {
  const EventType type = status == Status::delivered ? EventType::delivered
                         : status == Status::failed  ? EventType::failed
                                                     : EventType::deferred;
  return {ref, event(type, seconds), status, at(seconds + 60)};
}

inline SetStatus set_status(RecipientRef ref, EventType type, Status status, std::int64_t seconds = 100) {
  Event e;
  e.type = type;
  e.at = at(seconds);
  return {ref, e, status, at(seconds + 60)};
}

// The value, or a failed test with the error's sentence.
template <class T>
T must(Result<T> result) {
  if (!result) FAIL(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

template <class... Operations>
Applied apply(Store& store, Operations... operations) {
  std::vector<Operation> batch;
  (batch.emplace_back(std::move(operations)), ...);
  return must(store.apply(batch));
}

// The queue as a start finds it.
struct Start {
  std::vector<QueueEntry> entries;
  std::vector<Damage> damage;
  Claimed claimed;
};
inline Start claim(Store& store) {
  Start start;
  start.claimed =
      must(store.claim([&](QueueEntry entry) { return start.entries.push_back(std::move(entry)), true; },
                       [&](const Damage& damage) { start.damage.push_back(damage); }, [] { return true; }));
  return start;
}

inline LmdbSettings settings(const TempDir& directory) {
  LmdbSettings s;
  s.directory = directory.spool();
  s.map_bytes = 256u << 20;
  s.durability = Durability::none;
  return s;
}

inline std::unique_ptr<Store> open(const TempDir& directory) { return must(open_lmdb(settings(directory))); }

}  // namespace relay::spool::test
