// Wrong keys: counted, then locked out; shown and lifted over the administration door.
#include <doctest/doctest.h>

#include "tests/unit/api/support.h"

using namespace relay;
using namespace relay::api;
using relay::api::test::Got;
using relay::api::test::Relay;

namespace {

struct Tries : Relay {
  Got with(const std::string& address, const std::string& token) {
    auto asked = request("GET", "/v1/messages", "", {});
    if (!token.empty()) asked.headers.emplace_back("authorization", "Bearer " + token);
    asked.peer.address = address;
    return send(std::move(asked), Door::application);
  }
  void lock_out(const std::string& address) {
    for (int i = 0; i < 10; ++i) CHECK(with(address, "rk_wrong").status == 401);
  }
};

}  // namespace

TEST_CASE("after ten wrong keys a client is told 429, and when to come again") {
  Tries relay;
  for (int i = 0; i < 20; ++i) CHECK(relay.with("192.0.2.1", "").at("/code") == "missing_key");  // no attempt
  relay.lock_out("192.0.2.1");
  relay.loop.advance(std::chrono::seconds(1));
  const Got got = relay.with("192.0.2.1", relay.key);
  CHECK(got.status == 429);
  CHECK(got.at("/code") == "locked_out");
  CHECK(got.header("Retry-After") == "899");
  CHECK(got.at("/detail") ==
        "Too many failed authentications from your address; temporarily locked out until 2026-09-21 14:28:20 "
        "UTC.");
  CHECK(relay.with("192.0.2.2", relay.key).status == 200);
  relay.loop.advance(std::chrono::seconds(899));
  CHECK(relay.with("192.0.2.1", relay.key).status == 200);
}

TEST_CASE("lock-outs are listed and lifted, by the administrator alone") {
  Tries relay;
  relay.lock_out("2001:db8::1");
  relay.lock_out("192.0.2.1");
  const Got list = relay.admin("GET", "/admin/v1/lockouts");
  CHECK(list.at("/data/0/kind") == "address");
  CHECK(list.at("/data/0/subject") == "2001:db8::/64");
  CHECK(list.at("/data/0/until") == "2026-09-21T14:28:20.000Z");
  CHECK(list.at("/data/1/subject") == "192.0.2.1");
  CHECK(relay.admin("GET", "/admin/v1/lockouts?x=1").status == 400);
  CHECK(relay.app("GET", "/admin/v1/lockouts").status == 404);

  const auto lift = [&](const std::string& body) {
    return relay.admin("POST", "/admin/v1/lockouts/lift", body);
  };
  CHECK(lift(R"({"subject":"2001:db8::77"})").at("/lifted") == "1");
  CHECK(lift(R"({"subject":"2001:db8::77"})").status == 404);
  CHECK(relay.with("2001:db8::1", relay.key).status == 200);
  for (const char* wrong : {"{}", R"({"all":false})", R"({"subject":"x","all":true})", R"({"who":"x"})",
                            R"({"subject":1})", "[]"}) {
    CAPTURE(wrong);
    CHECK(lift(wrong).status == 422);
  }
  CHECK(lift(R"({"all":true})").at("/lifted") == "1");
  CHECK(lift(R"({"all":true})").at("/lifted") == "0");
  CHECK(relay.with("192.0.2.1", relay.key).status == 200);
}
