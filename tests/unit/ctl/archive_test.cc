#include "relay-api/ctl/archive.h"

#include <boost/json.hpp>

#include "tests/unit/spool/support.h"

using namespace relay;
using namespace relay::ctl;
namespace json = boost::json;
using spool::EventType;
using spool::Status;

namespace {

spool::Restore sample() {
  spool::Restore restore;
  auto m = *spool::test::message({.number = 7, .recipients = 2, .content = "Subject: x\r\n\r\nhi\r\n"});
  restore.message = std::make_shared<const spool::Message>(m);
  restore.recipients.resize(2);
  restore.recipients[0] = {Status::queued,
                           1,
                           spool::test::at(900),
                           {{spool::test::event(EventType::deferred, 100), Status::queued, 1}}};
  restore.recipients[1] = {
      Status::cancelled, 0, {}, {{spool::test::event(EventType::cancelled, 101), Status::cancelled, 0}}};
  return restore;
}

std::string with_content(json::object object, const std::string& content = "U3ViamVjdDogeA0KDQpoaQ0K") {
  object["content"] = content;
  return json::serialize(object);
}

std::string line(const spool::Restore& restore) { return with_content(message_object(restore)); }

spool::Restore read_message(const std::string& text) {
  auto entry = read_entry(text);
  if (!entry) FAIL(entry.error().message);
  return std::get<spool::Restore>(*entry);
}

std::string fault(const std::function<void(json::object&)>& change) {
  json::object object = json::parse(line(sample())).get_object();
  change(object);
  const auto entry = read_entry(json::serialize(object));
  return entry ? "" : entry.error().message;
}

}  // namespace

TEST_CASE("a message reads back as it was written") {
  spool::Restore original = sample();
  const spool::Restore back = read_message(line(original));
  CHECK(line(back) == line(original));
  CHECK(back.message->body->flatten() == "Subject: x\r\n\r\nhi\r\n");
  CHECK(back.message->id == original.message->id);
  CHECK(back.recipients[0].due == spool::test::at(900));
  const auto& event = back.recipients[0].events[0].event;
  CHECK(event.reply.lines == std::vector<std::string>{"busy", "later"});
  CHECK(event.duration_ms == 12);
  CHECK(event.tls);
}

TEST_CASE("what a message carries besides its content comes back, too") {
  spool::Restore restore = sample();
  restore.message =
      spool::test::full_message({.number = 7, .recipients = 2, .content = "Subject: x\r\n\r\nhi\r\n"});
  REQUIRE(restore.message->sandbox);  // so that no recipient of it may be open
  CHECK_FALSE(read_entry(line(restore)));
  restore.recipients[0] = {
      Status::delivered, 1, {}, {{spool::test::event(EventType::delivered, 100), Status::delivered, 1}}};
  spool::test::check_same_attributes(*read_message(line(restore)).message, *restore.message);
  spool::test::check_same_attributes(*read_message(line(sample())).message, *sample().message);
}

TEST_CASE("a line of version 1 lacks it, and is read") {
  json::object object = json::parse(line(sample())).get_object();
  object["archive"] = 1;
  const auto recipients = [&]() -> json::array& { return object["recipients"].as_array(); };
  CHECK_FALSE(read_entry(json::serialize(object)));
  for (const char* name :
       {"dsn_return", "envelope_id", "metadata", "stream", "sandbox", "idempotency_key", "scheduled_at"})
    object.erase(name);
  for (json::value& recipient : recipients()) {
    recipient.as_object().erase("notify");
    recipient.as_object().erase("original");
  }
  spool::test::check_same_attributes(*read_message(json::serialize(object)).message, *sample().message);
}

TEST_CASE("bytes that are no UTF-8, and times that nobody can write, come back too") {
  spool::Restore restore = sample();
  auto m = *restore.message;
  m.subject = "caf\xe9 \x01\xff";
  m.envelope.recipients[0].address = "\xff@example.net";
  m.tags = {"\xfe", "ok"};
  m.accepted = WallTime(std::chrono::milliseconds(-99'999'999'999'999));
  restore.message = std::make_shared<const spool::Message>(m);
  restore.recipients[0].events[0].event.reply.lines = {"\xe4\xf6\xfc", std::string("nul\0", 4)};
  const spool::Restore back = read_message(line(restore));
  CHECK(back.message->subject == m.subject);
  CHECK(back.message->envelope.recipients[0].address == m.envelope.recipients[0].address);
  CHECK(back.message->tags == m.tags);
  CHECK(back.message->accepted == m.accepted);
  CHECK(back.recipients[0].events[0].event.reply.lines == restore.recipients[0].events[0].event.reply.lines);
}

TEST_CASE("what is wrong with a line is named by its member") {
  CHECK(fault([](json::object&) {}) == "");
  CHECK(fault([](json::object& o) { o.erase("subject"); }) == "subject: it is missing");
  CHECK(fault([](json::object& o) { o["colour"] = 1; }) == "colour: nobody knows this member");
  CHECK(fault([](json::object& o) { o["archive"] = 3; }) ==
        "archive: it is of version 3, and this program knows versions up to 2");
  CHECK(fault([](json::object& o) { o.erase("archive"); }) == "archive: it is missing");
  CHECK(fault([](json::object& o) { o["id"] = "msg_x"; }) == "id: it is not the id of a message");
  CHECK(fault([](json::object& o) { o["size"] = -1; }) == "size: it is not a number that fits");
  CHECK(fault([](json::object& o) { o["size"] = 1.5; }) == "size: it is not a number that fits");
  CHECK(fault([](json::object& o) { o["smtputf8"] = 0; }) == "smtputf8: it is neither true nor false");
  CHECK(fault([](json::object& o) { o["created_at"] = "yesterday"; }) ==
        "created_at: it is not a time as in 2026-11-21T09:18:00.000Z");
  CHECK(fault([](json::object& o) { o["from"] = json::object{{"base64", "?"}}; }) ==
        "from: it is neither text nor base 64");
  CHECK(fault([](json::object& o) { o["stream"] = "slow"; }) ==
        "stream: it is not one of transactional, bulk");
  CHECK(fault([](json::object& o) { o["dsn_return"] = "half"; }) ==
        "dsn_return: it is neither full nor headers");
  CHECK(fault([](json::object& o) { o["metadata"] = json::array{json::object{{"name", "x"}}}; }) ==
        "metadata[0].value: it is missing");
  CHECK(fault([](json::object& o) {
          o["recipients"].as_array()[1].as_object()["notify"] = json::array{"x"};
        }) == "recipients[1].notify: it has what is not one of never, success, failure, delay");
  CHECK(fault([](json::object& o) { o["content"] = "?"; }) == "content: it is not base 64");
  CHECK(fault([](json::object& o) { o["content"] = nullptr; }) ==
        "a recipient is open, and the content is not there");
  CHECK(fault([](json::object& o) { o["size"] = 3; }) == "the content is 18 bytes long, and should be 3");
  CHECK(fault([](json::object& o) { o["recipients"] = 1; }) == "recipients: it is not an array");
  CHECK(fault([](json::object& o) { o["recipients"].as_array()[1].as_object()["status"] = "gone"; }) ==
        "recipients[1].status: it is not one of queued, held, delivered, failed, cancelled");
  CHECK(fault([](json::object& o) {
          o["recipients"].as_array()[0].as_object()["next_attempt_at"] = nullptr;
        }) == "recipients[0].next_attempt_at: an open recipient needs it");
  CHECK(fault([](json::object& o) {
          o["recipients"]
              .as_array()[0]
              .as_object()["events"]
              .as_array()[0]
              .as_object()["reply"]
              .as_object()["x"] = 1;
        }) == "recipients[0].events[0].reply.x: nobody knows this member");
  CHECK(fault([](json::object& o) { o["recipients"].as_array()[0].as_object()["status"] = "delivered"; }) ==
        "recipient 0 is delivered, and by its events queued");
  CHECK(read_entry("{").error().message == "it is not JSON, or not all of it");
  CHECK(read_entry("[]").error().message == "it is not an object");
}

TEST_CASE("a line cut off anywhere is refused") {
  const std::string whole = line(sample());
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_FALSE(read_entry(std::string_view(whole).substr(0, size)));
}

TEST_CASE("an API key") {
  spool::ApiKey key;
  key.id.value = "abcdefghjkmn";
  key.account.value = "acme";
  key.label = "shop\xff";
  key.hash.fill(9);
  key.created = spool::test::at(5);
  for (const bool revoked : {false, true}) {
    if (revoked) key.revoked = spool::test::at(6);
    const auto entry = read_entry(json::serialize(key_object(key)));
    REQUIRE(entry);
    const auto& back = std::get<spool::ApiKey>(*entry);
    CHECK(back.id == key.id);
    CHECK(back.label == key.label);
    CHECK(back.hash == key.hash);
    CHECK(back.revoked == key.revoked);
    CHECK(back.policy == key.policy);
    // What has no policy is written as before policies were.
    CHECK((json::serialize(key_object(key)).find("policy") != std::string::npos) == revoked);
    key.policy.domains = {"*.a.example"};
    key.policy.check = spool::SenderCheck::envelope;
    key.policy.rate = 500;
    key.policy.burst = 2;
  }
  CHECK(read_entry(R"({"archive":1,"api_key":{"id":""}})").error().message == "api_key.id: it is empty");
  json::object wrong = key_object(key);
  wrong["api_key"].as_object()["policy"].as_object()["messages_per_second"] = -1;
  CHECK(
      read_entry(json::serialize(wrong)).error().message.starts_with("api_key.policy/messages_per_second: "));
}

TEST_CASE("the id of a message is found in a line that cannot be read") {
  const std::string id = "msg_00000000000000000000000001";
  CHECK(id_in(R"({"archive":1,"id":")" + id + R"(","acc)") == id);
  CHECK(id_in(R"({"subject":"\"id\":\"msg_00000000000000000000000002\"", "id" : ")" + id + "\"}") == id);
  for (const std::string text : {"", "\"id\"", "\"id\":", "\"id\":\"", "\"id\":\"msg_0\"", "\"id\":7",
                                 "\"id\":\"k1\",\"label\":\"x\""})
    CHECK(id_in(text).empty());
}
