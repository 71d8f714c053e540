// Who may read /metrics.
#include <doctest/doctest.h>

#include "relay-api/router.h"
#include "tests/unit/api/support.h"

using namespace relay;
using namespace relay::api;
using relay::api::test::Got;
using relay::api::test::Relay;

namespace {

class OnePage final : public metrics::Source {
 public:
  void scrape(Loop& home, std::move_only_function<void(std::string)> done) override {
    home.post([done = std::move(done)]() mutable { done("x 1\n"); });
  }
};

Got scrape(Relay& relay, std::vector<std::string> from, const std::string& address, Door door) {
  OnePage source;
  Api api({relay.loop,
           relay.rng,
           relay.intake,
           *relay.keys,
           relay.guard,
           relay.dispatcher,
           *relay.store,
           relay.writer,
           relay.loader,
           {},
           &source},
          {.host_name = "relay.test", .metrics_from = std::move(from)});
  net::HttpRequest request = Relay::request("GET", "/metrics", "", {});
  request.peer.address = address;
  std::optional<net::HttpResponse> answer;
  api.handle(std::move(request), door, [&](net::HttpResponse response) { answer = std::move(response); });
  relay.loop.run();
  REQUIRE(answer.has_value());
  return {answer->status, answer->headers, answer->body, {}};
}

}  // namespace

TEST_CASE("metrics are for loopback and the Unix socket, unless the settings say otherwise") {
  Relay relay;
  const Got page = scrape(relay, {"loopback"}, "127.0.0.1", Door::application);
  CHECK(page.status == 200);
  CHECK(page.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(page.text == "x 1\n");
  CHECK(scrape(relay, {"loopback"}, "::1", Door::application).status == 200);
  const Got refused = scrape(relay, {"loopback"}, "192.0.2.1", Door::application);
  CHECK(refused.status == 403);
  CHECK(refused.text.find("\"forbidden\"") != std::string::npos);
  CHECK(scrape(relay, {}, "127.0.0.1", Door::application).status == 403);
  CHECK(scrape(relay, {"192.0.2.0/24", "loopback"}, "192.0.2.1", Door::application).status == 200);
  CHECK(scrape(relay, {"192.0.2.0/24"}, "127.0.0.1", Door::application).status == 403);
  CHECK(scrape(relay, {"0.0.0.0/0"}, "not an address", Door::application).status == 403);
  CHECK(scrape(relay, {}, "", Door::administration).status == 200);
}

TEST_CASE("a relay without metrics has nothing there") {
  Relay relay;
  CHECK(relay.admin("GET", "/metrics").status == 404);
}
