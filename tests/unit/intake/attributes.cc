// X-Relay-* fields, by themselves and through the door.
#include "mta/intake/attributes.h"

#include <doctest/doctest.h>

#include "mta/intake/accept.h"
#include "mta/wire/headers.h"
#include "tests/unit/intake/support.h"

using namespace relay;
using namespace relay::intake;
using namespace std::chrono_literals;

namespace {

const AttributeLimits small{
    .tags = 3, .tag_bytes = 8, .metadata = 2, .metadata_name_bytes = 5, .metadata_value_bytes = 10};

std::expected<Attributes, std::string> take(Body& body, const AttributeLimits& limits = {}) {
  return take_attributes(body, wire::scan_headers(body).header_bytes, limits);
}

// Of a message with these fields in its middle, checked to be gone.
std::expected<Attributes, std::string> read(const std::string& fields, const AttributeLimits& limits = {}) {
  const std::string before = "From: a@a.example\r\n", after = "Subject: x\r\n y\r\n\r\nX-Relay-Tag: body\r\n";
  Body body(before + fields + after);
  auto found = take(body, limits);
  CHECK(body.flatten() == (found ? before + after : before + fields + after));
  CHECK(body.size() == body.flatten().size());
  return found;
}

std::string refusal(const std::string& fields, const AttributeLimits& limits = {}) {
  const auto found = read(fields, limits);
  return found ? "" : found.error();
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("tags: repeated, separated by commas, folded, encoded, in any case") {
  struct Case {
    std::string fields;
    Texts tags;
  };
  for (const auto& [fields, tags] : {
           Case{"", {}},
           Case{"X-Relay-Tag: one\r\n", {"one"}},
           Case{"x-relay-TAG:one\r\n", {"one"}},
           Case{"X-Relay-Tag : one \t \r\n", {"one"}},
           Case{"X-Relay-Tag: one, two words ,three\r\n", {"one", "two words", "three"}},
           Case{"X-Relay-Tag: one\r\nX-Relay-Tag: two,\r\n", {"one", "two"}},
           Case{"X-Relay-Tag:\r\n one,\r\n\ttwo\r\n", {"one", "two"}},
           Case{"X-Relay-Tag: =?utf-8?q?gr=C3=BCn=2C_blau?=\r\n", {"gr\xc3\xbcn", "blau"}},
           Case{"X-Relay-Tag: =?iso-8859-1?q?gr=FCn?=\r\n =?utf-8?b?w6Q=?=\r\n", {"gr\xc3\xbcn\xc3\xa4"}},
       }) {
    CAPTURE(fields);
    const auto found = read(fields);
    REQUIRE(found.has_value());
    CHECK(found->tags == tags);
  }
}

TEST_CASE("metadata keeps its order, its names in lower case, its values as they are") {
  const auto found = read(
      "X-Relay-Metadata-Order_Id: 17\r\nx-relay-metadata-b: A  b\r\nX-RELAY-METADATA-A: "
      "=?utf-8?q?=C3=A4?=\r\n"
      "X-Relay-Metadata-none:\r\n");
  REQUIRE(found.has_value());
  CHECK(found->metadata ==
        std::vector<spool::Metadata>{{"order_id", "17"}, {"b", "A  b"}, {"a", "\xc3\xa4"}, {"none", ""}});
}

TEST_CASE("the fields that say one thing") {
  CHECK(read("X-Relay-Stream: bulk\r\n")->stream == spool::Stream::bulk);
  CHECK(read("X-Relay-Stream: Transactional\r\n")->stream == spool::Stream::transactional);
  CHECK_FALSE(read("")->stream.has_value());
  for (const auto* yes : {"true", "1", "Yes"})
    CHECK(read("X-Relay-Sandbox: " + std::string(yes) + "\r\n")->sandbox == true);
  for (const auto* no : {"FALSE", "0", "no"})
    CHECK(read("X-Relay-Sandbox: " + std::string(no) + "\r\n")->sandbox == false);
  CHECK(read("X-Relay-Idempotency-Key: order 17/a\r\n")->idempotency_key == "order 17/a");
  CHECK(read("X-Relay-Idempotency-Key:\r\n " + std::string(255, 'x') + "\r\n")->idempotency_key.size() ==
        255);
  const WallTime at{1'795'252'680s};  // 2026-11-21 09:18:00
  for (const auto* text : {"2026-11-21T09:18:00Z", "2026-11-21T10:18:00+01:00",
                           "Sat, 21 Nov 2026 09:18:00 +0000", "Sat, 21 Nov 2026\r\n 04:18:00 -0500 (EST)"})
    CHECK(read("X-Relay-Scheduled-At: " + std::string(text) + "\r\n")->scheduled == at);
}

TEST_CASE("what is wrong is refused by a sentence that names the field and what would be right") {
  struct Case {
    std::string fields, sentence;
  };
  const std::string long_name(300, 'n');
  for (const auto& [fields, sentence] : {
           Case{"X-Relay-Tag:\r\n", "X-Relay-Tag is empty; give one or more tags, separated by commas"},
           Case{"X-Relay-Tag: , ,\r\n", "X-Relay-Tag is empty; give one or more tags, separated by commas"},
           Case{"X-Relay-Tag: 123456789\r\n", "X-Relay-Tag has a tag of 9 bytes; at most 8 are taken"},
           Case{"X-Relay-Tag: a,b\r\nX-Relay-Tag: c,d\r\n",
                "X-Relay-Tag gives more tags than the 3 that are taken"},
           Case{"X-Relay-Tag: a\x01\r\n", "X-Relay-Tag has a control character in its value; leave it out"},
           Case{"X-Relay-Metadata-abcdef: x\r\n",
                "X-Relay-Metadata-abcdef has a name of 6 bytes; at most 5 are taken"},
           Case{"X-Relay-Metadata-a: 12345678901\r\n",
                "X-Relay-Metadata-a has a value of 11 bytes; at most 10 are taken"},
           Case{"X-Relay-Metadata-a: 1\r\nx-relay-metadata-A: 1\r\n",
                "X-Relay-metadata-A is given twice; give it once"},
           Case{"X-Relay-Metadata-a: 1\r\nX-Relay-Metadata-b: 2\r\nX-Relay-Metadata-c: 3\r\n",
                "X-Relay-Metadata-c is one more than the 2 entries of metadata that are taken"},
           Case{"X-Relay-Stream: fast\r\n", "X-Relay-Stream must be transactional or bulk"},
           Case{"X-Relay-Stream:\r\n", "X-Relay-Stream must be transactional or bulk"},
           Case{"X-Relay-Stream: bulk\r\nX-Relay-Stream: bulk\r\n",
                "X-Relay-Stream is given twice; give it once"},
           Case{"X-Relay-Sandbox: maybe\r\n", "X-Relay-Sandbox must be true or false"},
           Case{"X-Relay-Sandbox: 1\r\nx-relay-sandbox: 1\r\n",
                "X-Relay-Sandbox is given twice; give it once"},
           Case{"X-Relay-Idempotency-Key: \r\n",
                "X-Relay-Idempotency-Key must be 1 to 255 printable ASCII characters"},
           Case{"X-Relay-Idempotency-Key: " + std::string(256, 'x') + "\r\n",
                "X-Relay-Idempotency-Key must be 1 to 255 printable ASCII characters"},
           Case{"X-Relay-Idempotency-Key: \xc3\xa4\r\n",
                "X-Relay-Idempotency-Key must be 1 to 255 printable ASCII characters"},
           Case{"X-Relay-Scheduled-At: tomorrow\r\n",
                "X-Relay-Scheduled-At must be a time as in 2026-11-21T09:18:00+01:00 or Sat, 21 Nov 2026 "
                "09:18:00 +0100"},
           Case{"X-Relay-Scheduled-At: 2026-11-21T09:18:00\r\n",
                "X-Relay-Scheduled-At must be a time as in 2026-11-21T09:18:00+01:00 or Sat, 21 Nov 2026 "
                "09:18:00 +0100"},
           Case{"X-Relay-Schedule: 2026-11-21T09:18:00Z\r\n",
                "X-Relay-Schedule is not a field this relay knows; it knows X-Relay-Tag, "
                "X-Relay-Metadata-NAME, X-Relay-Stream, X-Relay-Sandbox, X-Relay-Idempotency-Key and "
                "X-Relay-Scheduled-At"},
       }) {
    CAPTURE(fields);
    CHECK(refusal(fields, small) == sentence);
  }
  for (const std::string name : {"X-Relay-", "X-Relay-Metadata-", "X-Relay-Metadata", "X-Relay-Tags"})
    CHECK(refusal(name + ": x\r\n").starts_with(name + " is not a field this relay knows"));
  CHECK(refusal("X-Relay-" + long_name + ": x\r\n").size() < 300);
}

TEST_CASE("however the content is cut, the fields are found and the rest is the same") {
  const std::string given =
      "From: a\r\nX-Relay-Tag: one,\r\n two\r\nDate: x\r\n y\r\nx-relay-sandbox: yes\r\n\r\nX-Relay-Tag: "
      "no\r\n";
  const std::string rest = "From: a\r\nDate: x\r\n y\r\n\r\nX-Relay-Tag: no\r\n";
  for (std::size_t first = 0; first <= given.size(); ++first)
    for (std::size_t second = first; second <= given.size(); second += 7) {
      Body body(given.substr(0, first));
      body.append(given.substr(first, second - first));
      body.append(given.substr(second));
      const auto found = take(body);
      REQUIRE(found.has_value());
      CHECK(found->tags == Texts{"one", "two"});
      CHECK(found->sandbox == true);
      CHECK(body.flatten() == rest);
      CHECK(body.size() == rest.size());
    }
}

namespace {

struct Door {
  test::TestLoop loop;
  test::Queue queue{loop};
  test::FakeWriter writer;
  test::FakeStore store;
  SeededRng rng{5};
  IntakeSettings settings{.host_name = "relay.example"};
  std::unique_ptr<KeyRing> keys = ring();
  Intake intake{settings, writer, store, queue.dispatcher, *keys};
  std::vector<AcceptResult> results;  // in the order they came

  std::unique_ptr<KeyRing> ring() {
    store.stored_keys = {test::plain_key("abcdefghjkmn")};
    return std::move(*KeyRing::load(store, writer));
  }
  void send(const std::string& fields, const std::string& account = "demo",
            std::optional<WallTime> hold = std::nullopt, spool::Origin origin = spool::Origin::smtp) {
    Submission s;
    s.origin = origin;
    s.envelope.recipients = {{"b@b.example"}, {"c@c.example"}};
    s.content = std::make_shared<Body>(fields + "Subject: x\r\n\r\nbody\r\n");
    s.who = {account, "abcdefghjkmn"};
    s.hold = hold;
    intake.accept(std::move(s), loop, rng, [this](AcceptResult r) { results.push_back(std::move(r)); });
    loop.run();
  }
  spool::Operation commit(const Result<void>& result = {}) {
    REQUIRE(writer.waiting.size() == 1);
    auto operation = writer.commit(result);
    if (const spool::Message* message = spool::new_message(operation);
        result && !message->idempotency_key.empty())
      store.messages[message->idempotency()] = message->id;
    loop.run();
    return operation;
  }
  spool::MessagePtr accepted(const std::string& fields) {
    results.clear();
    send(fields);
    const auto message = std::get<spool::Accept>(commit()).message;
    REQUIRE(results.size() == 1);
    CHECK(results[0].value().id == message->id);
    return message;
  }
  std::string refused(const std::string& fields, std::optional<WallTime> hold = std::nullopt) {
    results.clear();
    send(fields, "demo", hold);
    CHECK(writer.waiting.empty());
    REQUIRE(results.size() == 1);
    REQUIRE_FALSE(results[0].has_value());
    return results[0].error().reply.text();
  }
  std::string in(Duration ahead) const {
    return format_rfc3339(loop.wall() + std::chrono::duration_cast<std::chrono::milliseconds>(ahead));
  }
};

}  // namespace

TEST_CASE_FIXTURE(Door, "what the fields say is in the message, and no field of theirs is") {
  const auto message = accepted(
      "X-Relay-Tag: a, b\r\nX-Relay-Metadata-Order: 17\r\nX-Relay-Stream: bulk\r\nX-Relay-Idempotency-Key: "
      "k\r\n"
      "X-Relay-Scheduled-At: " +
      in(1h) + "\r\n");
  CHECK(message->tags == Texts{"a", "b"});
  CHECK(message->metadata == std::vector<spool::Metadata>{{"order", "17"}});
  CHECK(message->stream == spool::Stream::bulk);
  CHECK(message->idempotency_key == "k");
  CHECK(message->scheduled == loop.wall() + 1h);
  CHECK(message->body->flatten().ends_with("\r\nSubject: x\r\n\r\nbody\r\n"));
  CHECK(message->body->flatten().find("X-Relay") == std::string::npos);
  CHECK(message->size == message->body->size());
}

TEST_CASE_FIXTURE(Door, "a header section of nothing else is empty afterwards") {
  Submission s;
  s.envelope.recipients = {{"b@b.example"}};
  s.content = std::make_shared<Body>("X-Relay-Tag: a\r\ntext\r\n");
  s.who = {"demo", "abcdefghjkmn"};
  intake.accept(std::move(s), loop, rng, [](const AcceptResult&) {});
  CHECK(std::get<spool::Accept>(commit()).message->body->flatten().ends_with(">\r\n\r\ntext\r\n"));
}

TEST_CASE_FIXTURE(Door, "fields behind a line that is no field are not lost in silence") {
  CHECK(
      refused("From: a@b.example\r\nno field\r\nX-Relay-Sandbox: true\r\n") ==
      "554 5.6.0 X-Relay-* fields stand behind a line that is no header field; mend that line, so that they "
      "count");
}

TEST_CASE_FIXTURE(Door, "a wrong field refuses the message") {
  CHECK(refused("X-Relay-Sandbox: x\r\n") == "554 5.6.0 X-Relay-Sandbox must be true or false");
  CHECK(intake.stats().refused[static_cast<std::size_t>(Refused::attributes)] == 1);
}

TEST_CASE_FIXTURE(Door, "scheduling: what is past means now, what is too far ahead is refused") {
  CHECK_FALSE(accepted("X-Relay-Scheduled-At: " + in(-1h) + "\r\n")->scheduled.has_value());
  CHECK_FALSE(accepted("X-Relay-Scheduled-At: " + in(0h) + "\r\n")->scheduled.has_value());
  CHECK(accepted("X-Relay-Scheduled-At: " + in(720h) + "\r\n")->scheduled == loop.wall() + 720h);
  CHECK(refused("X-Relay-Scheduled-At: " + in(720h + 1ms) + "\r\n") ==
        "554 5.6.0 The message is scheduled for " + in(720h + 1ms) + "; the latest that is taken now is " +
            in(720h));
  send("", "demo", loop.wall() + 2h);
  const auto held = std::get<spool::Accept>(commit());
  CHECK(held.message->scheduled == loop.wall() + 2h);
  CHECK(held.due == loop.wall() + 2h);
  CHECK(refused("X-Relay-Scheduled-At: " + in(1h) + "\r\n", loop.wall() + 1h) ==
        "554 5.6.0 X-Relay-Scheduled-At and HOLDFOR or HOLDUNTIL of MAIL both say when to send; give one of "
        "them");
  const auto release = intake.release(loop.wall());
  REQUIRE(release.has_value());
  CHECK(release->longest == 720h);
  CHECK(release->latest == loop.wall() + 720h);
}

TEST_CASE_FIXTURE(Door, "scheduled mail waits in the queue") {
  accepted("X-Relay-Scheduled-At: " + in(1h) + "\r\n");
  CHECK(queue.scheduler.stats().open == 2);
  CHECK(queue.scheduler.stats().ready == 0);
  CHECK(queue.scheduler.stats().body_bytes == 0);
}

TEST_CASE("without scheduling nothing in the future is taken, and FUTURERELEASE is not offered") {
  struct Off : Door {
    Intake off{{.host_name = "relay.example", .schedule_ahead = Duration::zero()},
               writer,
               store,
               queue.dispatcher,
               *keys};
  } door;
  CHECK_FALSE(door.off.release(door.loop.wall()).has_value());
  std::optional<AcceptResult> result;
  Submission s;
  s.envelope.recipients = {{"b@b.example"}};
  s.content = std::make_shared<Body>("X-Relay-Scheduled-At: " + door.in(1s) + "\r\n\r\n");
  s.who = {"demo", "abcdefghjkmn"};
  door.off.accept(std::move(s), door.loop, door.rng, [&](AcceptResult r) { result = std::move(r); });
  door.loop.run();
  REQUIRE(result.has_value());
  CHECK(result->error().reply.text() ==
        "554 5.6.0 Messages cannot be scheduled here; send it without X-Relay-Scheduled-At");
}

TEST_CASE_FIXTURE(Door, "a sandbox message is committed as delivered, and nothing of it is queued") {
  send("X-Relay-Sandbox: true\r\n");
  CHECK(results.empty());
  const auto restore = std::get<spool::Restore>(commit());
  REQUIRE(results.size() == 1);
  CHECK(results[0].value().id == restore.message->id);
  CHECK(restore.message->sandbox);
  REQUIRE(restore.recipients.size() == 2);
  for (std::uint32_t i = 0; i < 2; ++i) {
    const auto& recipient = restore.recipients[i];
    CHECK(recipient.status == spool::Status::delivered);
    REQUIRE(recipient.events.size() == 1);
    CHECK(recipient.events[0].event.detail == "a sandbox message: nothing was sent");
    CHECK(recipient.events[0].event.recipient == i);
  }
  CHECK(queue.scheduler.stats().open == 0);
  CHECK(intake.stats().from_smtp == 1);
  CHECK_FALSE(accepted("X-Relay-Sandbox: false\r\n")->sandbox);
}

TEST_CASE_FIXTURE(Door, "a second message with the same key is answered with the first, and not stored") {
  const auto first = accepted("X-Relay-Idempotency-Key: k\r\n");
  const WallTime then = loop.wall();
  loop.advance(1h);
  results.clear();
  send("X-Relay-Idempotency-Key: k\r\n");
  CHECK(writer.waiting.empty());
  REQUIRE(results.size() == 1);
  CHECK(results[0].value().id == first->id);
  CHECK(results[0].value().at == then);
  CHECK(intake.stats().from_smtp == 1);
  CHECK(intake.stats().repeated == 1);

  send("X-Relay-Idempotency-Key: k\r\n", "other");  // another account's is another
  CHECK(std::get<spool::Accept>(commit()).message->account.value == "other");
  send("X-Relay-Idempotency-Key: K\r\n");
  commit();
  loop.advance(23h);  // the window is over
  const auto again = accepted("X-Relay-Idempotency-Key: k\r\n");
  CHECK(again->id != first->id);
}

TEST_CASE_FIXTURE(Door, "several at the same moment: one is committed, and all are told so") {
  const std::string field = "X-Relay-Idempotency-Key: at once\r\n";
  for (int i = 0; i < 3; ++i) send(field);
  CHECK(results.empty());
  CHECK(writer.waiting.size() == 1);
  const auto operation = commit();
  REQUIRE(results.size() == 3);
  for (const auto& result : results)
    CHECK(result.value().id == std::get<spool::Accept>(operation).message->id);
  CHECK(intake.stats().from_smtp == 1);
  CHECK(intake.stats().repeated == 2);
  send(field);
  CHECK(results.size() == 4);
}

TEST_CASE_FIXTURE(Door, "if that one cannot be stored it is told so, and the others are tried, one by one") {
  for (int i = 0; i < 3; ++i) send("X-Relay-Idempotency-Key: at once\r\n");
  commit(fail(Errc::full, "of the test"));
  REQUIRE(results.size() == 1);
  CHECK(results[0].error().reply.text() == "452 4.3.1 Insufficient storage, try again later");
  CHECK(writer.waiting.size() == 1);
  commit();
  REQUIRE(results.size() == 3);
  CHECK(results[1].value().id == results[2].value().id);
}

TEST_CASE_FIXTURE(Door, "more at the same moment than may wait are refused for now") {
  const std::string field = "X-Relay-Idempotency-Key: at once\r\n";
  for (std::size_t i = 0; i < 1 + Once::most_waiting; ++i) send(field);
  CHECK(results.empty());
  send(field);
  REQUIRE(results.size() == 1);
  CHECK(results[0].error().reason == Refused::busy);  // by HTTP 503
  CHECK(results[0].error().reply.text() ==
        "452 4.3.1 Too many messages with this idempotency key are under way, try again later");
  CHECK(intake.stats().refused[static_cast<std::size_t>(Refused::busy)] == 1);
  commit();
  CHECK(results.size() == 2 + Once::most_waiting);
}

TEST_CASE_FIXTURE(Door, "where the store cannot tell whether a key is known, nothing is taken with it") {
  store.broken = true;
  CHECK(refused("X-Relay-Idempotency-Key: k\r\n") ==
        "451 4.3.0 The message could not be stored, try again later");
  store.broken = false;
  accepted("X-Relay-Idempotency-Key: k\r\n");
  writer.full = true;
  CHECK(refused("X-Relay-Idempotency-Key: l\r\n").starts_with("452 4.3.1"));
  writer.full = false;
  accepted("X-Relay-Idempotency-Key: l\r\n");
}

TEST_CASE_FIXTURE(Door, "parts that lie too deep in each other are refused") {
  std::string fields, text;
  for (int i = 0; i < 101; ++i) {
    const std::string type = "Content-Type: multipart/mixed; boundary=b" + std::to_string(i) + "\r\n";
    if (i == 0) {
      fields = type;
      continue;
    }
    text += "--b" + std::to_string(i - 1) + "\r\n" + type + "\r\n";
  }
  CHECK(refused(fields + "\r\n" + text) == "554 5.6.0 More than 100 MIME parts lie in each other");
}
