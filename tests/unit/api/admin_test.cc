#include <doctest/doctest.h>

#include "relay-api/router.h"
#include "tests/unit/api/support.h"

using namespace relay;
using namespace relay::api;
using relay::api::test::Got;
using relay::api::test::must;
using relay::api::test::Relay;

namespace {

const std::string unknown = "msg_00000000000000000000000000";

// What a host answered, straight into the store.
void attempt(Relay& relay, const std::string& id, spool::Status status) {
  spool::Attempted outcome;
  outcome.ref = {*MessageId::parse(id), 0};
  outcome.event.type =
      status == spool::Status::delivered ? spool::EventType::delivered : spool::EventType::deferred;
  outcome.event.at = relay.loop.wall();
  outcome.event.stage = "sending RCPT TO";
  outcome.event.host = "mx.example.net [192.0.2.1]:25";
  outcome.event.reply = {status == spool::Status::delivered ? 250 : 451, "", {"Sch\xf6n"}};
  outcome.status = status;
  outcome.due = relay.loop.wall() + std::chrono::minutes(4);
  const spool::Operation operation = outcome;
  must(relay.store->apply({&operation, 1}));
}

}  // namespace

TEST_CASE("an administrator sees any account's message, and why it waits") {
  Relay relay;
  const std::string id = relay.accepted();
  const Got shown = relay.admin("GET", "/admin/v1/messages/" + id);
  CHECK(shown.status == 200);
  CHECK(shown.at("/account") == "acme");
  CHECK(shown.at("/origin") == "http");
  CHECK(shown.at("/reverse_path") == "a@example.org");

  CHECK(relay.admin("GET", "/admin/v1/messages/" + id + "/why")
            .at("/sentence")
            .starts_with("Waiting for its first attempt"));
  attempt(relay, id, spool::Status::queued);
  const Got why = relay.admin("GET", "/admin/v1/messages/" + id + "/why");
  CHECK(why.at("/status") == "queued");
  CHECK(why.at("/recipients/0/next_attempt") == "in 4 minutes");
  CHECK(why.at("/recipients/0/history/0/reply/code") == "451");
  CHECK(why.at("/recipients/0/history/0/reply/text") ==
        "451 Sch\xef\xbf\xbdn");  // a host's Latin-1 is no JSON
  CHECK(why.at("/sentence").find("mx.example.net [192.0.2.1]:25 answered") != std::string::npos);

  const Got content = relay.admin("GET", "/admin/v1/messages/" + id + "/content");
  CHECK(content.header("Content-Type") == "message/rfc822");
  CHECK(content.text.starts_with("Received: "));
  attempt(relay, id, spool::Status::delivered);
  CHECK(relay.admin("GET", "/admin/v1/messages/" + id + "/content").at("/code") == "content_gone");
  CHECK(relay.admin("GET", "/admin/v1/messages/" + id).at("/status") == "delivered");
  CHECK(relay.admin("GET", "/admin/v1/messages/" + unknown).status == 404);
  CHECK(relay.admin("GET", "/admin/v1/messages/x/why").status == 404);
}

TEST_CASE("the queue is listed in pages and by domain") {
  Relay relay;
  for (const std::string to : {"b@example.net", "c@example.com", "d@example.net"}) {
    relay.accepted(to);
    relay.loop.advance(std::chrono::seconds(1));
  }
  const Got all = relay.admin("GET", "/admin/v1/queue");
  CHECK(all.json.at("data").as_array().size() == 3);
  CHECK(all.at("/next") == "null");
  CHECK(all.at("/data/0/address") == "b@example.net");
  CHECK(all.at("/data/0/status") == "queued");
  CHECK(relay.admin("GET", "/admin/v1/queue?domain=Example.NET").json.at("data").as_array().size() == 2);
  CHECK(relay.admin("GET", "/admin/v1/queue?status=held").at("/data") == "[]");
  const Got first = relay.admin("GET", "/admin/v1/queue?limit=2");
  CHECK(first.json.at("data").as_array().size() == 2);
  const Got second = relay.admin("GET", "/admin/v1/queue?limit=2&after=" + first.at("/next"));
  CHECK(second.json.at("data").as_array().size() == 1);
  CHECK(second.at("/data/0/address") == "d@example.net");
  CHECK(relay.admin("GET", "/admin/v1/queue?status=delivered").at("/errors/0/parameter") == "status");
}

TEST_CASE("the queue is controlled by id, domain or all of it") {
  Relay relay;
  const std::string id = relay.accepted(), other = relay.accepted("c@example.com");
  CHECK(relay.admin("POST", "/admin/v1/queue/hold", R"({"id":")" + id + "\"}").text ==
        R"({"changed":1,"in_flight":0,"damaged":0})");
  CHECK(relay.admin("GET", "/admin/v1/messages/" + id).at("/status") == "held");
  CHECK(relay.admin("GET", "/admin/v1/queue?status=held").json.at("data").as_array().size() == 1);
  CHECK(relay.admin("GET", "/admin/v1/messages/" + id + "/why").at("/recipients/0/next_attempt") == "null");
  CHECK(relay.admin("POST", "/admin/v1/queue/release", R"({"domain":"EXAMPLE.net"})").at("/changed") == "1");
  CHECK(relay.admin("GET", "/admin/v1/messages/" + id).at("/status") == "queued");
  CHECK(relay.admin("POST", "/admin/v1/queue/cancel", R"({"all":true})").at("/changed") == "2");
  CHECK(relay.admin("GET", "/admin/v1/messages/" + other).at("/status") == "cancelled");
  CHECK(relay.admin("POST", "/admin/v1/queue/retry", R"({"id":")" + id + "\"}").at("/code") == "not_open");
  CHECK(relay.admin("POST", "/admin/v1/queue/retry", R"({"id":")" + unknown + "\"}").status == 404);
}

TEST_CASE("no slip of the hand controls everything") {
  Relay relay;
  const std::string id = relay.accepted();
  for (const std::string body : {R"({})", R"([])", R"({"all":false})", R"({"all":"true"})", R"({"id":null})",
                                 R"({"domain":""})", R"({"id":"x"})", R"({"ids":["x"]})",
                                 R"({"all":true,"domain":"example.net"})", R"({"all":true,"force":true})"}) {
    CAPTURE(body);
    CHECK(relay.admin("POST", "/admin/v1/queue/cancel", body).status == 422);
  }
  CHECK(relay.admin("POST", "/admin/v1/queue/cancel").status == 415);
  CHECK(relay.admin("POST", "/admin/v1/queue/cancel", "{").status == 400);
  CHECK(relay.admin("GET", "/admin/v1/messages/" + id).at("/status") == "queued");
}

TEST_CASE("keys are made, listed and revoked") {
  Relay relay;
  const Got made = relay.admin("POST", "/admin/v1/keys", R"({"account":"shop","label":"Der Laden"})");
  CHECK(made.status == 201);
  CHECK(made.at("/key").starts_with("rk_" + made.at("/id")));
  CHECK(made.at("/account") == "shop");
  relay.key = made.at("/key");
  CHECK(relay.app("GET", "/v1/messages").status == 200);
  const Got listed = relay.admin("GET", "/admin/v1/keys");
  CHECK(listed.json.at("data").as_array().size() == 2);
  CHECK(listed.text.find(relay.key) == std::string::npos);
  CHECK(listed.text.find("hash") == std::string::npos);
  const Got revoked = relay.admin("POST", "/admin/v1/keys/" + made.at("/id") + "/revoke");
  CHECK(revoked.status == 200);
  CHECK(revoked.at("/revoked_at").ends_with("Z"));
  CHECK(relay.app("GET", "/v1/messages").status == 401);
  CHECK(relay.admin("POST", "/admin/v1/keys/nobody/revoke").status == 404);
  CHECK(relay.admin("POST", "/admin/v1/keys", R"({})").at("/account") == "default");
  for (const std::string body : {R"({"account":""})", R"({"account":"a b"})", R"({"account":1})",
                                 R"({"label":"a\nb"})", R"({"name":"x"})"}) {
    CAPTURE(body);
    CHECK(relay.admin("POST", "/admin/v1/keys", body).status == 422);
  }
}

TEST_CASE("numbers of the queue") {
  Relay relay;
  relay.accepted();
  const Got got = relay.admin("GET", "/admin/v1/stats");
  CHECK(got.status == 200);
  CHECK(got.at("/spool/messages") == "1");
  CHECK(got.at("/spool/open_recipients") == "1");
  CHECK(got.at("/queue/open") == "1");
}

TEST_CASE("nothing of the administration is at the applications' door") {
  Relay relay;
  for (const Route& route : all_routes()) {
    if (route.access != Access::socket) continue;
    std::string path(route.pattern);
    if (const auto brace = path.find("{id}"); brace != std::string::npos) path.replace(brace, 4, unknown);
    CAPTURE(path);
    CHECK(relay.app(std::string(route.method), path, "{}").status == 404);
  }
}

TEST_CASE("a command on a spool that cannot be written to is refused at once, with the reason") {
  Relay relay;
  relay.writer.say(spool::WriterState::unavailable, "the disk is read-only");
  const Got got = relay.admin("POST", "/admin/v1/queue/hold", R"({"all":true})");
  CHECK(got.status == 503);
  CHECK(got.at("/code") == "storage_unavailable");
  CHECK(got.at("/detail") == "The spool cannot be written to: the disk is read-only.");
  relay.writer.say(spool::WriterState::full, "the disk is full");
  CHECK(relay.admin("POST", "/admin/v1/queue/hold", R"({"all":true})").status == 200);
}

TEST_CASE("status says what the relay is and how its storage fares, to the administrator alone") {
  Relay relay;
  CHECK(relay.app("GET", "/admin/v1/status").status == 404);
  relay.writer.say(spool::WriterState::full, "the disk sda1 is full");
  const Got got = relay.admin("GET", "/admin/v1/status");
  CHECK(got.status == 200);
  CHECK(got.at("/version") == "1.2.3");
  CHECK(got.at("/uptime_seconds") == "0");
  CHECK(got.at("/spool/state") == "full");
  CHECK(got.at("/spool/reason") == "the disk sda1 is full");
  CHECK(got.at("/spool/durability") == "sync");
  CHECK(got.at("/spool/unrecorded_limit") == "10000");
  CHECK(got.at("/spool/last_commit_at") == "null");
  CHECK(got.at("/spool/at_start/lost") == "0");
  CHECK(std::stoull(got.at("/spool/room_bytes")) > 0);
  CHECK(got.at("/queue/ready") == "0");
  CHECK(relay.admin("GET", "/admin/v1/status?x=1").status == 400);
}

TEST_CASE("a key's policy: given when it is made, shown, changed in parts") {
  Relay relay;
  const Got made =
      relay.admin("POST", "/admin/v1/keys", R"({"policy":{"sending_domains":["Example.COM","*.b.example",
    "example.com","m\u00fcnchen.example"],"from_addresses":["Shop@C.example"],"networks":["192.0.2.0/24"],"messages_per_second":0.5,
    "burst_messages":3,"messages_per_day":1000,"recipients_per_message":5,"message_bytes":5000,"sessions":2}})");
  REQUIRE(made.status == 201);
  const std::string path = "/admin/v1/keys/" + made.at("/id");
  const Got shown = relay.admin("GET", path);
  CHECK(shown.at("/policy/sending_domains") == R"(["example.com","*.b.example","xn--mnchen-3ya.example"])");
  CHECK(shown.at("/policy/from_addresses") == R"(["Shop@c.example"])");
  CHECK(shown.at("/policy/senders_checked") == "both");
  CHECK(shown.json.at_pointer("/policy/messages_per_second").as_double() == 0.5);
  CHECK(shown.at("/policy/burst_messages") == "3");
  CHECK(shown.at("/policy/sessions") == "2");
  CHECK(shown.at("/messages_today") == "0");
  CHECK(shown.text.find("hash") == std::string::npos);
  const Got changed =
      relay.admin("PATCH", path, R"({"label":"x","policy":{"sending_domains":[],"messages_per_second":null,
    "senders_checked":"header","messages_per_day":null}})");
  CHECK(changed.status == 200);
  CHECK(changed.at("/label") == "x");
  CHECK(changed.at("/policy/sending_domains") == "[]");
  CHECK(changed.at("/policy/from_addresses") == R"(["Shop@c.example"])");  // as it was
  CHECK(changed.at("/policy/senders_checked") == "header");
  CHECK(changed.at("/policy/messages_per_second") == "null");
  CHECK(changed.at("/policy/burst_messages") == "null");  // goes with it
  CHECK(changed.at("/policy/message_bytes") == "5000");
  CHECK(changed.at("/messages_today") == "null");
  CHECK(relay.admin("PATCH", path, "{}").at("/label") == "x");
  CHECK(relay.admin("PATCH", path, R"({"label":null})").at("/label").empty());
  CHECK(relay.admin("PATCH", path, R"({"account":"other"})").status == 422);
  CHECK(relay.admin("PATCH", "/admin/v1/keys/nobody", "{}").status == 404);
  CHECK(relay.admin("GET", "/admin/v1/keys/nobody").status == 404);
  CHECK(relay.app("PATCH", path, "{}").status == 404);
}

TEST_CASE("a policy that is wrong is refused, member by member") {
  Relay relay;
  std::string many;
  for (int i = 0; i < 100; ++i)
    many += (i ? ",\"" : "\"") + std::string(40, 'a') + std::to_string(i) + ".example\"";
  for (const auto& [members, pointer] : {
           std::pair<std::string, std::string>{R"("sending_domains":["a@b.example"])",
                                               "/policy/sending_domains/0"},
           {R"("sending_domains":["*"])", "/policy/sending_domains/0"},
           {R"("sending_domains":["a.example","[192.0.2.1]"])", "/policy/sending_domains/1"},
           {R"("sending_domains":"a.example")", "/policy/sending_domains"},
           {R"("sending_domains":[)" + many + "]", "/policy/sending_domains"},
           {R"("from_addresses":["a.example"])", "/policy/from_addresses/0"},
           {R"("networks":["192.0.2.1/24"])", "/policy/networks/0"},
           {R"("networks":[5])", "/policy/networks/0"},
           {R"("senders_checked":"none")", "/policy/senders_checked"},
           {R"("recipients_per_message":0)", "/policy/recipients_per_message"},
           {R"("recipients_per_message":1.5)", "/policy/recipients_per_message"},
           {R"("message_bytes":-1)", "/policy/message_bytes"},
           {R"("messages_per_second":0)", "/policy/messages_per_second"},
           {R"("messages_per_second":0.0005)", "/policy/messages_per_second"},
           {R"("messages_per_second":"1")", "/policy/messages_per_second"},
           {R"("messages_per_second":1e9)", "/policy/messages_per_second"},
           {R"("burst_messages":5)", "/policy/burst_messages"},
           {R"("messages_per_day":"5")", "/policy/messages_per_day"},
           {R"("sessions":1e30)", "/policy/sessions"},
           {R"("rate":1)", "/policy/rate"},
       }) {
    CAPTURE(members);
    const Got got = relay.admin("POST", "/admin/v1/keys", R"({"policy":{)" + members + "}}");
    CHECK(got.status == 422);
    CHECK(got.at("/errors/0/pointer") == pointer);
  }
}
