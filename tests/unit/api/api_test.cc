#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "relay-api/openapi.h"
#include "relay-api/router.h"
#include "tests/unit/api/support.h"

using namespace relay;
using namespace relay::api;
using relay::api::test::Got;
using relay::api::test::must;
using relay::api::test::Relay;

namespace {

const std::string unknown = "msg_00000000000000000000000000";
const std::string good = R"({"from":"a@example.org","to":"b@example.net","text":"x"})";

void check_problem(const Got& got, int status, std::string_view code) {
  CHECK(got.status == status);
  CHECK(got.header("Content-Type") == "application/problem+json");
  CHECK(got.at("/status") == std::to_string(status));
  CHECK(got.at("/code") == code);
  CHECK(got.at("/type") == "about:blank");
  CHECK(got.at("/title") == status_phrase(status));
  CHECK(got.at("/request_id") == got.header("X-Request-Id"));
  CHECK(got.at("/detail") != "(none)");
}

}  // namespace

TEST_CASE("a message is accepted, stored and shown") {
  Relay relay;
  const Got got = relay.app(
      "POST", "/v1/messages",
      R"({"from":"A <a@example.org>","to":["b@example.net"],"bcc":"c@example.com","subject":"Grüße","text":"x","tags":["t"]})");
  CHECK(got.status == 202);
  CHECK(got.text ==
        R"({"id":")" + got.at("/id") + R"(","status":"queued","message":"Email accepted for delivery."})");
  CHECK(got.header("X-Request-Id").starts_with("req_"));
  CHECK(got.header("Content-Type") == "application/json");

  const Got shown = relay.app("GET", "/v1/messages/" + got.at("/id"));
  CHECK(shown.status == 200);
  CHECK(shown.at("/id") == got.at("/id"));
  CHECK(shown.at("/status") == "queued");
  CHECK(shown.at("/from") == "A <a@example.org>");
  CHECK(shown.at("/subject") == "Grüße");
  CHECK(shown.at("/to") == R"(["b@example.net","c@example.com"])");
  CHECK(shown.at("/tags") == R"(["t"])");
  CHECK(shown.at("/recipients/1/address") == "c@example.com");
  CHECK(shown.at("/recipients/1/status") == "queued");
  CHECK(shown.at("/recipients/1/attempts") == "0");
  CHECK(shown.at("/recipients/1/last_reply") == "null");
  CHECK(shown.at("/recipients/1/next_attempt_at").ends_with("Z"));
  CHECK(shown.at("/events/0/type") == "queued");
  CHECK(shown.at("/events/0/recipient") == "b@example.net");
  CHECK(shown.json.at("events").as_array().size() == 2);
  CHECK(shown.at("/account") == "(none)");

  const auto stored = must(relay.store->load(*MessageId::parse(got.at("/id"))));
  const std::string content = stored->body->flatten();
  CHECK(content.starts_with("Received: "));
  CHECK(content.find("c@example.com") == std::string::npos);  // bcc is for the envelope alone
  CHECK(content.find("@relay.test") != std::string::npos);
  CHECK(stored->envelope.reverse_path == "a@example.org");
  CHECK(stored->origin == spool::Origin::http);
}

TEST_CASE("without a key that counts nothing is told") {
  Relay relay;
  const std::string revoked = relay.make_key("acme");
  for (const auto& key : relay.keys->list())
    if (revoked.find(key.id.value) != std::string::npos)
      relay.keys->revoke(key.id, relay.loop, [](Result<void>) {});
  relay.loop.run();
  for (const auto& [value, code] : std::vector<std::pair<std::string, std::string>>{
           {"", "missing_key"},
           {"Bearer ", "invalid_key"},
           {"Bearer", "invalid_key"},
           {"Basic " + relay.key, "invalid_key"},
           {relay.key, "invalid_key"},
           {"Bearer " + relay.key + "x", "invalid_key"},
           {"Bearer rk_aaaaaaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "invalid_key"},
           {"Bearer " + revoked, "invalid_key"},
       }) {
    relay.guard.lift_all(relay.loop);  // else it would be locked out
    CAPTURE(value);
    for (const auto& [method, target] : {std::pair<std::string, std::string>{"POST", "/v1/messages"},
                                         {"GET", "/v1/messages"},
                                         {"GET", "/v1/messages/" + unknown}}) {
      std::vector<std::pair<std::string, std::string>> headers;
      if (!value.empty()) headers.emplace_back("authorization", value);
      const Got got = relay.send(Relay::request(method, target, good, headers), Door::application);
      check_problem(got, 401, code);
      CHECK(got.header("WWW-Authenticate").starts_with("Bearer realm=\"relay\""));
    }
  }
  CHECK(relay
            .send(Relay::request("GET", "/v1/messages", "", {{"authorization", "bearer  " + relay.key}}),
                  Door::application)
            .status == 200);
}

TEST_CASE("an account does not see another's messages") {
  Relay relay;
  const std::string id = relay.accepted();
  CHECK(relay.app("GET", "/v1/messages/" + id).status == 200);
  relay.key = relay.make_key("other");
  check_problem(relay.app("GET", "/v1/messages/" + id), 404, "not_found");
  CHECK(relay.app("GET", "/v1/messages").at("/data") == "[]");
}

TEST_CASE("paths and methods that are not there") {
  Relay relay;
  for (const std::string path : {"/", "/v1", "/v1/messages/", "/v1/messages/a/b", "/v1//messages",
                                 "/v2/messages", "*", "/admin/v1/queue", "/admin/v1/stats", ""}) {
    CAPTURE(path);
    check_problem(relay.app("GET", path), 404, "not_found");
  }
  for (const std::string path : {"/v1/messages", "/admin/v1/nothing"}) {
    CAPTURE(path);
    check_problem(relay.admin("GET", path), 404, "not_found");
  }
  struct Case {
    std::string method, path, allow;
  };
  for (const auto& [method, path, allow] : {
           Case{"PUT", "/v1/messages", "POST, GET, HEAD"},
           Case{"DELETE", "/v1/messages/" + unknown, "GET, HEAD"},
           Case{"POST", "/v1/messages/" + unknown, "GET, HEAD"},
           Case{"OPTIONS", "/healthz", "GET, HEAD"},
           Case{"get", "/healthz", "GET, HEAD"},
       }) {
    CAPTURE(path);
    const Got got = relay.app(method, path);
    check_problem(got, 405, "method_not_allowed");
    CHECK(got.header("Allow") == allow);
  }
  const Got got = relay.admin("GET", "/admin/v1/queue/retry");
  check_problem(got, 405, "method_not_allowed");
  CHECK(got.header("Allow") == "POST");
  check_problem(relay.app("GET", "/v1/messages/" + unknown), 404, "not_found");
  check_problem(relay.app("GET", "/v1/messages/nonsense"), 404, "not_found");
}

TEST_CASE("HEAD asks what GET does, and needs no key where GET needs none") {
  Relay relay;
  CHECK(relay.app("HEAD", "/v1/messages/" + relay.accepted()).status == 200);
  CHECK(relay.send(Relay::request("HEAD", "/healthz", "", {}), Door::application).status == 200);
  CHECK(relay.send(Relay::request("HEAD", "/v1/messages", "", {}), Door::application).status == 401);
  CHECK(relay.admin("GET", "/healthz").text == R"({"status":"ok"})");
}

TEST_CASE("every request has an id of its own") {
  Relay relay;
  std::set<std::string> ids;
  for (int i = 0; i < 20; ++i)
    ids.insert(relay.app("GET", i % 2 == 0 ? "/healthz" : "/none").header("X-Request-Id"));
  CHECK(ids.size() == 20);
  const auto response = Api::problem(413, "Too much.");
  CHECK(response.status == 413);
  CHECK(response.body.find(R"("code":"content_too_large")") != std::string::npos);
  CHECK(std::any_of(response.headers.begin(), response.headers.end(),
                    [](const auto& h) { return h.first == "X-Request-Id"; }));
}

TEST_CASE("a request that is wrong is told everything at once") {
  Relay relay;
  const Got got = relay.app("POST", "/v1/messages", R"({"from":"x","what":1})");
  check_problem(got, 422, "validation_failed");
  CHECK(got.at("/errors/0/pointer") == "/from");
  CHECK(got.at("/errors/0/code") == "invalid_address");
  CHECK(got.json.at("errors").as_array().size() == 4);
  check_problem(relay.app("POST", "/v1/messages", "{"), 400, "invalid_json");
  check_problem(
      relay.send(Relay::request("POST", "/v1/messages", "", {{"authorization", "Bearer " + relay.key}}),
                 Door::application),
      415, "unsupported_media_type");
}

TEST_CASE("what intake refuses is refused in HTTP's terms") {
  Relay relay;
  SUBCASE("too much waits for the disk: come back") {
    relay.writer.refuse = true;
    const Got got = relay.app("POST", "/v1/messages", good);
    check_problem(got, 503, "overloaded");
    CHECK(got.header("Retry-After") == "30");
    CHECK(got.at("/detail").find("4.3.1") == std::string::npos);
  }
  SUBCASE("what the store is known to be is said before the request is looked at") {
    struct Case {
      spool::WriterState state;
      int status;
      const char* code;
    };
    for (const auto& [state, status, code] :
         {Case{spool::WriterState::busy, 503, "overloaded"},
          Case{spool::WriterState::full, 507, "insufficient_storage"},
          Case{spool::WriterState::unavailable, 503, "storage_unavailable"},
          Case{spool::WriterState::damaged, 503, "storage_unavailable"},
          Case{spool::WriterState::failed, 503, "storage_unavailable"}}) {
      relay.writer.say(state, "the disk sda1 burns");
      const Got got = relay.app("POST", "/v1/messages", "{");
      check_problem(got, status, code);
      CHECK(got.header("Retry-After") == "30");
      const Got ready = relay.send(Relay::request("GET", "/readyz", "", {}), Door::application);
      check_problem(ready, 503, code);
      CHECK(ready.header("Retry-After") == "30");
      CHECK(ready.text.find("sda1") == std::string::npos);
      CHECK(relay.app("GET", "/healthz").status == 200);
    }
    relay.writer.say(spool::WriterState::accepting, "");
    CHECK(relay.send(Relay::request("GET", "/readyz", "", {}), Door::application).status == 200);
  }
  SUBCASE("too large") {
    check_problem(relay.app("POST", "/v1/messages",
                            R"({"from":"a@example.org","to":"b@example.net","text":")" +
                                std::string(2u << 20, 'x') + "\"}"),
                  413, "content_too_large");
  }
  SUBCASE("too many recipients") {
    std::string to;
    for (int i = 0; i < 11; ++i) to += (i == 0 ? "\"b" : ",\"b") + std::to_string(i) + "@example.net\"";
    check_problem(
        relay.app("POST", "/v1/messages", R"({"from":"a@example.org","text":"x","to":[)" + to + "]}"), 422,
        "too_many_recipients");
  }
  CHECK(must(relay.store->counts()).messages == 0);
}

TEST_CASE("lists come in pages, newest first") {
  Relay relay;
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) {
    ids.push_back(relay.accepted());
    relay.loop.advance(std::chrono::seconds(1));
  }
  std::reverse(ids.begin(), ids.end());
  std::vector<std::string> seen;
  std::string next;
  int pages = 0;
  do {
    const Got got = relay.app("GET", "/v1/messages?limit=2" + (next.empty() ? "" : "&before=" + next));
    REQUIRE(got.status == 200);
    for (const auto& entry : got.json.at("data").as_array())
      seen.emplace_back(entry.at("id").as_string().c_str());
    next = got.json.at("next").is_null() ? "" : got.at("/next");
    ++pages;
  } while (!next.empty());
  CHECK(seen == ids);
  CHECK(pages == 3);
  CHECK(relay.app("GET", "/v1/messages?limit=5").at("/next") == "null");
  const Got got = relay.app("GET", "/v1/messages?limit=0&before=x&what=1");
  check_problem(got, 400, "invalid_query");
  CHECK(got.at("/errors/0/parameter") == "limit");
  CHECK(got.json.at("errors").as_array().size() == 3);
}

TEST_CASE("the description has exactly the routes of applications") {
  const auto description = boost::json::parse({openapi_json().data(), openapi_json().size()});
  std::set<std::string> described, served;
  for (const auto& path : description.at("paths").as_object())
    for (const auto& operation : path.value().as_object()) {
      if (operation.key() == "parameters") continue;
      std::string method(operation.key().data(), operation.key().size());
      std::transform(method.begin(), method.end(), method.begin(),
                     [](char c) { return static_cast<char>(c - 'a' + 'A'); });
      described.insert(method + " " + std::string(path.key().data(), path.key().size()));
    }
  for (const Route& route : all_routes())
    if (route.access != Access::socket)
      served.insert(std::string(route.method) + " " + std::string(route.pattern));
  CHECK(described == served);
  Relay relay;
  CHECK(relay.app("GET", "/openapi.json").text == openapi_json());
}

TEST_CASE("what a key's policy refuses, over HTTP") {
  Relay relay;
  const auto limit = [&](const std::string& members) {
    const std::string id = relay.key.substr(3, 12);
    const Got set = relay.admin("PATCH", "/admin/v1/keys/" + id, R"({"policy":{)" + members + "}}");
    REQUIRE(set.status == 200);
  };
  const auto send = [&] {
    return relay.app("POST", "/v1/messages",
                     R"({"from":"A <a@example.org>","to":["b@example.net","c@example.net"],"text":"x"})");
  };
  limit(R"("sending_domains":["example.com"])");
  Got got = send();
  CHECK(got.status == 403);
  CHECK(got.at("/code") == "sender_not_allowed");
  CHECK(got.at("/detail") ==
        "This key may not send as example.org, only as example.com; use such a sender address or ask for the "
        "domain "
        "to be added.");
  limit(R"("sending_domains":null,"recipients_per_message":1)");
  got = send();
  CHECK(got.status == 422);
  CHECK(got.at("/code") == "too_many_recipients");
  limit(R"("recipients_per_message":null,"message_bytes":10)");
  got = send();
  CHECK(got.status == 413);
  CHECK(got.at("/code") == "content_too_large");
  limit(R"("message_bytes":null,"messages_per_second":0.25,"burst_messages":1)");
  CHECK(send().status == 202);
  got = send();
  CHECK(got.status == 429);
  CHECK(got.at("/code") == "rate_limited");
  CHECK(got.header("Retry-After") == "4");
  relay.loop.advance(std::chrono::seconds(4));
  limit(R"("messages_per_day":1)");
  CHECK(send().status == 202);
  relay.loop.advance(std::chrono::seconds(4));
  got = send();
  CHECK(got.status == 429);
  CHECK(got.at("/code") == "daily_limit");
  CHECK(std::stoi(got.header("Retry-After")) > 60);
  CHECK(relay.admin("GET", "/admin/v1/keys/" + relay.key.substr(3, 12)).at("/messages_today") == "1");
  limit(R"("networks":["198.51.100.0/24"])");
  got = relay.app("GET", "/v1/messages");
  CHECK(got.status == 403);
  CHECK(got.at("/code") == "address_not_allowed");
}
