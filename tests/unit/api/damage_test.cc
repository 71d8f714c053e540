// What the API says of messages and recipients that damage has left half known: nothing made up.
#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "relay-api/explain.h"
#include "relay-api/json_out.h"

using namespace relay;
using namespace relay::api;
using spool::Status;
namespace json = boost::json;

namespace {

const WallTime now{std::chrono::seconds(1'790'000'000)};

spool::MessageView nothing_known() {
  spool::MessageView view;
  view.message.id = *MessageId::parse("msg_00000000000000000000000001");
  view.damage = {"a record of the spool is damaged"};
  return view;
}

spool::MessageView one_recipient(Status status) {
  spool::MessageView view;
  view.message.id = *MessageId::parse("msg_00000000000000000000000001");
  view.message.accepted = now;
  view.recipients.push_back({.address = "b@example.net", .status = status, .next_attempt = {}, .last = {}});
  return view;
}

spool::Event event(spool::EventType type, std::string detail, std::uint32_t recipient = 0) {
  spool::Event made;
  made.type = type;
  made.at = now;
  made.recipient = recipient;
  made.detail = std::move(detail);
  return made;
}

}  // namespace

TEST_CASE("of a message whose record is damaged nothing is made up") {
  const json::value page = json::parse(json_message_list({nothing_known()}, false, Reader::administrator));
  const json::object& row = page.at("data").at(0).as_object();
  CHECK(row.at("id").as_string() == "msg_00000000000000000000000001");
  CHECK(row.at("status").as_string() == "unknown");
  for (const char* name :
       {"from", "subject", "message_id", "created_at", "size", "account", "key", "origin", "reverse_path"}) {
    CAPTURE(name);
    CHECK(row.at(name).is_null());
  }
  CHECK(row.at("to").as_array().empty());
  CHECK(row.at("tags").as_array().empty());
  CHECK(row.at("damage") == json::array{"a record of the spool is damaged"});

  const json::value told = json::parse(json_message_list({nothing_known()}, false, Reader::application));
  CHECK(told.at("data").at(0).at("status").as_string() == "unknown");
  CHECK(told.at("data").at(0).at("created_at").is_null());
  CHECK_FALSE(told.at("data").at(0).as_object().contains("damage"));
  CHECK_FALSE(told.at("data").at(0).as_object().contains("account"));
  CHECK(explain(nothing_known(), now) == "What became of it is not known: its record is damaged.");
}

TEST_CASE("the damage of a message is told to the administrator") {
  spool::MessageView view = one_recipient(Status::queued);
  CHECK(json::parse(json_message(view, Reader::administrator)).at("damage").as_array().empty());
  view.damage = {"one thing", "another"};
  const json::array both{"one thing", "another"};
  CHECK(json::parse(json_message(view, Reader::administrator)).at("damage") == both);
  CHECK(json::parse(json_why(view, now)).at("damage") == both);
  CHECK_FALSE(json::parse(json_message(view, Reader::application)).as_object().contains("damage"));
}

TEST_CASE("a next attempt that is not known is due now, and no moment") {
  const spool::MessageView view = one_recipient(Status::queued);
  const json::value why = json::parse(json_why(view, now));
  CHECK(why.at_pointer("/recipients/0/next_attempt_at").is_null());
  CHECK(why.at_pointer("/recipients/0/next_attempt").as_string() == "now");
  CHECK(why.at("sentence").as_string() == "Waiting for its first attempt, due now.");
  spool::MessageView two = view;
  two.recipients.push_back(two.recipients.front());
  two.recipients.back().attempts = 2;
  CHECK(explain(two, now) == "Of 2 recipients: 2 queued. The next attempt is due now.");
  CHECK(explain(two, 1, now) == "Deferred after 2 attempts; the next attempt is due now.");
}

TEST_CASE("who is held or cancelled for damage is not said to be so by an administrator") {
  using enum spool::EventType;
  spool::MessageView view = one_recipient(Status::held);
  view.recipients.push_back(view.recipients.front());
  const std::string administrator = "Held by an administrator; it waits until it is released.";
  view.events = {event(spool::EventType::held, "it was damaged", 1)};
  CHECK(explain(view, 0, now) == administrator);
  CHECK(explain(view, 1, now) == "Held: it was damaged; it waits until it is released.");
  const json::value why = json::parse(json_why(view, now));
  CHECK(why.at_pointer("/recipients/1/sentence").as_string() ==
        "Held: it was damaged; it waits until it is released.");
  // Held once more, by somebody.
  view.events.push_back(event(released, "", 1));
  view.events.push_back(event(spool::EventType::held, "", 1));
  CHECK(explain(view, 1, now) == administrator);

  spool::MessageView over = one_recipient(Status::cancelled);
  CHECK(explain(over, now) == "Cancelled by an administrator; it will not be delivered.");
  over.events = {event(cancelled, "the content was damaged")};
  CHECK(explain(over, now) == "Cancelled: the content was damaged; it will not be delivered.");
}

TEST_CASE("a row of the queue that stands for damage has no made-up state") {
  spool::QueueRow lost;
  lost.entry.ref = {*MessageId::parse("msg_00000000000000000000000001"), 3};
  lost.damage = "page 7 is damaged";
  spool::QueueRow rebuilt;
  rebuilt.entry = {.ref = {lost.entry.ref.message, 4},
                   .status = Status::queued,
                   .due = now,
                   .since = now,
                   .attempts = 1,
                   .domain = "example.net"};
  rebuilt.damage = "its row is damaged";
  rebuilt.address = "b@example.net";
  rebuilt.size = 5;
  spool::QueueRow sound = rebuilt;
  sound.damage.clear();
  const json::value page = json::parse(json_queue({lost, rebuilt, sound}, false));
  const json::object& first = page.at("data").at(0).as_object();
  CHECK(first.at("message").as_string() == "msg_00000000000000000000000001");
  CHECK(first.at("recipient").as_int64() == 3);
  CHECK(first.at("status").as_string() == "unknown");
  CHECK(first.at("damage").as_string() == "page 7 is damaged");
  for (const char* name : {"address", "domain", "attempts", "accepted_at", "next_attempt_at", "reverse_path",
                           "account", "size"}) {
    CAPTURE(name);
    CHECK(first.at(name).is_null());
  }
  CHECK(page.at("data").at(1).at("status").as_string() == "queued");
  CHECK(page.at("data").at(1).at("size").as_int64() == 5);
  CHECK(page.at("data").at(1).at("damage").as_string() == "its row is damaged");
  CHECK(page.at("data").at(2).at("damage").is_null());
}
