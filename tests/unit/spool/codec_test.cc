#include "spool/codec.h"

#include <algorithm>

#include "spool/crc32c.h"
#include "spool/records.h"
#include "tests/unit/spool/support.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;

TEST_CASE("CRC-32C of known texts, whole and in two parts at every cut") {
  const std::pair<std::string, std::uint32_t> known[] = {
      {"", 0},
      {"123456789", 0xe3069283},
      {std::string(32, '\0'), 0x8a9136aa},  // RFC 3720 B.4, as are the next two
      {std::string(32, '\xff'), 0x62a8ab43},
      {[] {
         std::string up;
         for (char c = 0; c < 32; ++c) up.push_back(c);
         return up;
       }(),
       0x46dd794e},
  };
  for (const auto& [text, crc] : known) {
    CHECK(crc32c(0, text) == crc);
    for (std::size_t cut = 0; cut <= text.size(); ++cut)
      CHECK(crc32c(crc32c(0, std::string_view(text).substr(0, cut)), std::string_view(text).substr(cut)) ==
            crc);
  }
}

TEST_CASE("CRC-32C: the processor's instruction and the tables agree at every length and alignment") {
  SeededRng rng(7);
  std::string text(300, '\0');
  for (auto& c : text) c = static_cast<char>(rng.below(256));
  for (std::size_t from = 0; from < 9; ++from)
    for (std::size_t length = 0; length + from <= text.size(); ++length) {
      const std::string_view part = std::string_view(text).substr(from, length);
      const auto start = static_cast<std::uint32_t>(length * 0x9e3779b9);
      REQUIRE(crc32c(start, part) == crc32c_portable(start, part));
    }
}

TEST_CASE("counts: what is written reads back, what is impossible spoils the source") {
  for (const std::uint64_t value :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{127}, std::uint64_t{128}, std::uint64_t{16383},
        std::uint64_t{16384}, std::uint64_t{1} << 32, std::uint64_t{1} << 63, UINT64_MAX}) {
    std::string bytes;
    Sink(bytes).count(value);
    Source source(bytes);
    CHECK(source.count() == value);
    CHECK(source.done());
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
      Source cut_off(std::string_view(bytes).substr(0, cut));
      cut_off.count();
      CHECK_FALSE(cut_off.ok());
    }
  }
  for (const std::string_view bad :
       {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"}) {
    Source source(bad);
    source.count();
    CHECK_FALSE(source.ok());
  }
}

TEST_CASE("a spoilt source stays so and answers zero") {
  Source source(std::string_view("\x05zz", 3));
  CHECK(source.text().empty());
  CHECK_FALSE(source.ok());
  CHECK(source.u64() == 0);
  CHECK(source.text().empty());
  CHECK_FALSE(source.done());
  Source many(std::string_view("\x09zz", 3));
  CHECK(many.items() == 0);
  CHECK_FALSE(many.ok());
  Source flag(std::string_view("\x02", 1));
  flag.flag();
  CHECK_FALSE(flag.ok());
}

namespace {

struct Encoded {
  Table table;
  std::string key, record;
};

// One record of every kind.
std::vector<Encoded> records() {
  std::vector<Encoded> all;
  const auto add = [&](Table table, std::string_view key, auto encode) {
    Encoded e{table, std::string(key), {}};
    begin_frame(e.record);
    encode(e.record);
    seal(table, key, e.record);
    all.push_back(std::move(e));
  };
  add(Table::messages, RowKey::message(id(1)).view(),
      [](std::string& out) { encode_message(*message({.recipients = 3}), 7, out); });
  add(Table::messages, RowKey::message(id(2)).view(),
      [](std::string& out) { encode_message(*full_message({.number = 2, .recipients = 2}), 7, out); });
  add(Table::idempotency, RowKey::idempotency({{"acme"}, "k"}).view(),
      [](std::string& out) { encode_idempotency(id(2), out); });
  add(Table::queue, RowKey::recipient({id(1), 2}).view(), [](std::string& out) {
    QueueRecord row;
    row.status = Status::held;
    row.attempts = 3;
    row.next_event = 9;
    row.due = at(-5);
    row.since = at(1);
    row.domain = "example.net";
    row.account = "acme";
    row.stream = Stream::bulk;
    encode_queue(row, out);
  });
  add(Table::events, RowKey::event({id(1), 2}, 5).view(),
      [](std::string& out) { encode_event(event(EventType::failed, 9), Status::failed, 300, out); });
  add(Table::keys, "abc", [](std::string& out) {
    ApiKey key;
    key.account.value = "acme";
    key.label = "label";
    key.hash.fill(1);
    key.revoked = at(3);
    key.policy = {.domains = {"example.com", "*.example.net"},
                  .addresses = {"a@example.org"},
                  .check = SenderCheck::header,
                  .networks = {"192.0.2.0/24"},
                  .recipients = 300,
                  .message_bytes = 1u << 20,
                  .rate = 500,
                  .burst = 2,
                  .daily = 1000,
                  .sessions = 3};
    encode_key(key, out);
  });
  add(Table::usage, "abc", [](std::string& out) { encode_key_day({{"abc"}, 20'000, 300}, out); });
  add(Table::bodies, RowKey::part(id(1), 0).view(), [](std::string& out) { out += "content"; });
  return all;
}

bool decodes(Table table, std::string_view key, std::string_view bytes) {
  const Payload payload{bytes, record_version(table)};
  switch (table) {
    case Table::messages: return decode_message(message_of(key), payload).has_value();
    case Table::queue: return decode_queue(payload).has_value();
    case Table::events: return decode_event(recipient_of(key).index, payload).has_value();
    case Table::keys: return decode_key(key, payload).has_value();
    case Table::usage: return decode_key_day(key, payload).has_value();
    case Table::idempotency: return decode_idempotency(payload).has_value();
    default: return true;
  }
}

}  // namespace

TEST_CASE("a record with any byte damaged, cut short or lengthened is never read") {
  for (const auto& [table, key, record] : records()) {
    CAPTURE(name(table));
    REQUIRE(open_frame(table, key, record).has_value());
    REQUIRE(decodes(table, key, *open_frame(table, key, record)));
    for (std::size_t i = 0; i < record.size(); ++i)
      for (int change = 1; change < 256; ++change) {
        std::string damaged = record;
        damaged[i] = static_cast<char>(damaged[i] ^ change);
        if (open_frame(table, key, damaged)) FAIL("byte " << i << " xor " << change << " was read");
      }
    for (std::size_t cut = 0; cut < record.size(); ++cut)
      CHECK_FALSE(open_frame(table, key, std::string_view(record).substr(0, cut)).has_value());
    CHECK_FALSE(open_frame(table, key, record + '\0').has_value());
  }
}

TEST_CASE("a record under another's key or in another table is not read") {
  for (const auto& [table, key, record] : records()) {
    std::string other = key;
    other.back() = static_cast<char>(other.back() ^ 1);
    CHECK_FALSE(open_frame(table, other, record).has_value());
    CHECK_FALSE(open_frame(Table::rest, key, record).has_value());
  }
}

// Beneath the checksum: a payload without legal meaning is refused, whatever its bytes, and nothing is read
// past its end (AddressSanitizer looks on).
TEST_CASE("payloads cut at every byte do not decode, changed ones decode or not but never crash") {
  for (const auto& [table, key, record] : records()) {
    if (table == Table::bodies) continue;
    CAPTURE(name(table));
    const std::string payload(open_frame(table, key, record)->bytes);
    for (std::size_t cut = 0; cut < payload.size(); ++cut)
      CHECK_FALSE(decodes(table, key, std::string(payload, 0, cut)));
    CHECK_FALSE(decodes(table, key, payload + 'x'));
    std::size_t refused = 0;
    for (std::size_t i = 0; i < payload.size(); ++i)
      for (int change = 1; change < 256; ++change) {
        std::string changed = payload;
        changed[i] = static_cast<char>(changed[i] ^ change);
        if (!decodes(table, key, changed)) ++refused;
      }
    CHECK((refused > 0 || table == Table::idempotency));
  }
}

TEST_CASE("values out of their range do not decode") {
  const auto refused = [](std::string payload, std::size_t at, char value, auto decode) {
    payload[at] = value;
    return !decode(payload).has_value();
  };
  std::string queue, queue_event, queued_message;
  encode_queue({}, queue);
  const auto as_queue = [](std::string_view p) { return decode_queue(Payload{p, 2}); };
  CHECK(as_queue(queue).has_value());
  for (const char status : {'\0', '\6'}) CHECK(refused(queue, 0, status, as_queue));
  for (const char stream : {'\0', '\3'}) CHECK(refused(queue, queue.size() - 2, stream, as_queue));
  encode_event({}, Status::queued, 0, queue_event);
  const auto as_event = [](std::string_view p) { return decode_event(0, p); };
  CHECK(as_event(queue_event).has_value());
  for (const char type : {'\0', '\x9'}) CHECK(refused(queue_event, 0, type, as_event));
  for (const char status : {'\0', '\6'}) CHECK(refused(queue_event, 1, status, as_event));
  CHECK(refused(queue_event, 2, 4, as_event));
  encode_message(*message({}), 1, queued_message);
  const auto as_message = [](std::string_view p) { return decode_message(id(1), p); };
  for (const char origin : {'\0', '\3'}) CHECK(refused(queued_message, 0, origin, as_message));
  CHECK(refused(queued_message, 1, 32, as_message));
  CHECK(refused(queued_message, 1, 16, as_message));  // more is said to follow, and does not
}

TEST_CASE("a queue row of version 1 has no account, and is transactional") {
  QueueRecord row;
  row.domain = "example.net";
  row.account = "acme";
  row.stream = Stream::bulk;
  std::string payload;
  encode_queue(row, payload);
  const auto now = decode_queue(Payload{payload, 2});
  REQUIRE(now.has_value());
  CHECK(now->account == "acme");
  CHECK(now->stream == Stream::bulk);
  const std::string before = payload.substr(0, payload.size() - 6);  // stream, count, "acme"
  const auto old = decode_queue(Payload{before, 1});
  REQUIRE(old.has_value());
  CHECK(old->domain == "example.net");
  CHECK(old->account.empty());
  CHECK(old->stream == Stream::transactional);
  CHECK_FALSE(decode_queue(Payload{before, 2}).has_value());
  CHECK_FALSE(decode_queue(Payload{payload, 1}).has_value());
}

TEST_CASE("what a message carries reads back, alone and together, and takes no room when nothing is said") {
  const auto back = [](const Message& m) {
    std::string payload;
    encode_message(m, 1, payload);
    const auto record = decode_message(m.id, payload);
    REQUIRE(record.has_value());
    check_same_attributes(record->message, m);
    return payload.size();
  };
  const Message plain = *message({.recipients = 3});
  const Message all = *full_message({.recipients = 3});
  const std::size_t size = back(plain);
  back(all);
  const auto one = [&](auto change) {
    Message m = plain;
    change(m);
    CAPTURE(back(m) - size);
    CHECK(back(m) >= size);
  };
  one([&](Message& m) { m.envelope.ret = all.envelope.ret; });
  one([&](Message& m) { m.envelope.id = all.envelope.id; });
  one([&](Message& m) { m.envelope.recipients[1].notify = wire::notify_never; });
  one([&](Message& m) { m.envelope.recipients[2].original = "rfc822;x@example.net"; });
  one([&](Message& m) { m.metadata = all.metadata; });
  one([&](Message& m) { m.idempotency_key = all.idempotency_key; });
  one([&](Message& m) { m.scheduled = all.scheduled; });
  Message flags = plain;
  flags.stream = Stream::bulk;
  flags.sandbox = true;
  CHECK(back(flags) == size);
}

// A frame as programs of that version wrote it.
static std::string sealed_as(std::uint8_t version, Table table, std::string_view key,
                             const std::string& payload) {
  const char head[2] = {static_cast<char>(table), static_cast<char>(version)};
  std::string record(1, static_cast<char>(version));
  Sink(record).u32(crc32c(crc32c(crc32c(0, {head, 2}), key), payload));
  return record + payload;
}

TEST_CASE("a record of version 1 is read, one of a later version is not") {
  const Message plain = *message({.recipients = 3});
  std::string bytes;
  encode_message(plain, 7, bytes);  // what version 1 has is as it was
  const std::string key(RowKey::message(plain.id).view());
  const auto sealed = [&](std::uint8_t version) { return sealed_as(version, Table::messages, key, bytes); };
  for (const std::uint8_t version : {std::uint8_t{1}, std::uint8_t{2}}) {
    const std::string framed = sealed(version);
    const auto payload = open_frame(Table::messages, key, framed);
    REQUIRE(payload.has_value());
    const auto read = decode_message(plain.id, *payload);
    REQUIRE(read.has_value());
    check_same_attributes(read->message, plain);
    CHECK(read->message.subject == plain.subject);
  }
  for (const std::uint8_t version : {std::uint8_t{0}, std::uint8_t{3}})
    CHECK_FALSE(open_frame(Table::messages, key, sealed(version)));
}

TEST_CASE("the rows of idempotency keys are of one account each") {
  const auto key = [](const char* account, const char* text, bool sandbox = false) {
    return std::string(RowKey::idempotency({{account}, text, sandbox}).view());
  };
  CHECK(key("a", "bc").size() == 16);
  CHECK(key("a", "bc") == key("a", "bc"));
  CHECK(key("a", "bc") != key("ab", "c"));
  CHECK(key("a", "bc") != key("a", "bd"));
  CHECK(key("a", "bc") != key("a", "bc", true));
}

TEST_CASE("an API key of version 1 is read, and has no policy") {
  std::string payload;
  Sink sink(payload);
  sink.text("acme");
  sink.text("label");
  sink.text(std::string(32, 'h'));
  sink.time(at(1));
  sink.u8(0);
  const std::string record = sealed_as(1, Table::keys, "abc", payload);
  const auto frame = open_frame(Table::keys, "abc", record);
  REQUIRE(frame.has_value());
  CHECK(frame->version == 1);
  const auto key = decode_key("abc", *frame);
  REQUIRE(key.has_value());
  CHECK(key->label == "label");
  CHECK(key->policy == KeyPolicy());
  CHECK_FALSE(decode_key("abc", Payload{payload, 2}).has_value());  // its policy is missing
  for (const std::uint8_t version : {std::uint8_t{0}, std::uint8_t{3}})
    CHECK_FALSE(open_frame(Table::keys, "abc", sealed_as(version, Table::keys, "abc", payload)).has_value());
  CHECK_FALSE(open_frame(Table::events, "abc", sealed_as(2, Table::events, "abc", payload)).has_value());
}

TEST_CASE("a policy comes back as it was put, and its numbers are checked") {
  const auto all = records();
  const auto found = std::ranges::find(all, Table::keys, &Encoded::table);
  const auto key = decode_key("abc", *open_frame(Table::keys, "abc", found->record));
  REQUIRE(key.has_value());
  CHECK(key->policy.domains == std::vector<std::string>{"example.com", "*.example.net"});
  CHECK(key->policy.check == SenderCheck::header);
  CHECK(key->policy.networks == std::vector<std::string>{"192.0.2.0/24"});
  CHECK(key->policy.message_bytes == 1u << 20);
  CHECK(key->policy.daily == 1000);
  CHECK(key->policy.sessions == 3);
  ApiKey plain;
  std::string payload;
  encode_key(plain, payload);
  // check, networks, recipients, bytes, rate, burst, daily, sessions: a byte each at the end
  const std::size_t check = payload.size() - 8;
  for (const auto& [value, good] : {std::pair('\2', true), {'\3', false}}) {
    std::string changed = payload;
    changed[check] = value;
    CHECK(decode_key("abc", Payload{changed, 2}).has_value() == good);
  }
  payload.resize(check + 2);
  payload += std::string("\x80\x80\x80\x80\x10\0\0\0\0\0", 10);  // 2^32 recipients
  CHECK_FALSE(decode_key("abc", Payload{payload, 2}).has_value());
}

TEST_CASE("keys sort by message, then recipient, then event") {
  CHECK(RowKey::message(id(1)).view() < RowKey::part(id(1), 0).view());
  CHECK(RowKey::part(id(1), 255).view() < RowKey::part(id(1), 256).view());
  CHECK(RowKey::recipient({id(1), UINT32_MAX}).view() < RowKey::message(id(2)).view());
  CHECK(RowKey::event({id(1), 1}, UINT32_MAX).view() < RowKey::event({id(1), 2}, 0).view());
  CHECK(recipient_of(RowKey::event({id(3), 70000}, 5).view()) == RecipientRef{id(3), 70000});
  CHECK(describe(Table::queue, RowKey::recipient({id(3), 5}).view()) == id(3).text() + ", recipient 5");
}
