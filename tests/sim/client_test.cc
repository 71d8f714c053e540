// What the SMTP client can do beyond the usual, as the scheduler makes use of it.
#include <doctest/doctest.h>

#include <memory>

#include "tests/sim/world.h"

using namespace relay;
using namespace relay::sim;
using namespace std::chrono_literals;
using spool::Status;

TEST_CASE("a host that hangs up at EHLO is greeted by HELO on a second connection, and only then") {
  World w(31);
  HostScript old, gone;
  old.act = [](Point p, const std::string& text, Instant) {
    return p == Point::ehlo && text.starts_with("EHLO") ? Act{.kind = Act::Kind::drop, .text = ""} : Act{};
  };
  gone.act = [](Point p, const std::string&, Instant) {
    return p == Point::ehlo ? Act{.kind = Act::Kind::drop, .text = ""} : Act{};
  };
  auto& a = w.host("a.example", "192.0.2.1", old);
  auto& first = w.host("b.example", "192.0.2.2", gone);
  auto& second = w.host("b.example", "192.0.2.3");
  const auto id = w.submit({"r@a.example", "r@b.example"});
  CHECK(w.run_until_done(1min));
  CHECK(a.delivered.size() == 1);
  CHECK(a.sessions == 2);
  CHECK(first.sessions == 2);
  CHECK(second.sessions == 1);
  CHECK(second.delivered.size() == 1);
  CHECK(w.recipient(id, 0).status == Status::delivered);
  w.check();
}

TEST_CASE("credentials that are refused defer the mail, and no other host of the site is asked") {
  queue::SchedulerSettings settings = World::quick();
  auto auth = std::make_shared<wire::ClientAuth>();
  auth->user = "user";
  auth->password = Secret("secret");
  auth->in_clear = true;
  settings.client.auth = auth;
  World w(32, settings);
  HostScript smart;  // knows no such command, which is a permanent refusal
  smart.act = [](Point p, const std::string&, Instant) {
    return p == Point::ehlo ? Act{.kind = Act::Kind::reply, .text = "250-host\r\n250 AUTH PLAIN"} : Act{};
  };
  auto& first = w.host("a.example", "192.0.2.1", smart);
  auto& second = w.host("a.example", "192.0.2.2", smart);
  const auto id = w.submit({"r@a.example"});
  w.run(30s);
  CHECK(first.sessions == 1);
  CHECK(second.sessions == 0);
  CHECK(w.recipient(id).status == Status::queued);
  REQUIRE(w.events(id).size() == 1);
  CHECK(w.events(id)[0].stage == "authenticating");
  w.check();
}

TEST_CASE("to the product's own server by BDAT, byte for byte") {
  queue::SchedulerSettings settings = World::quick();
  settings.client.chunking = wire::Chunking::when_offered;
  settings.client.content_block_bytes = 4096;
  World w(33, settings);
  HostScript real;
  real.real = true;
  auto& plain = w.host("a.example", "192.0.2.1", real);
  real.starttls = true;
  auto& secure = w.host("b.example", "192.0.2.2", real);
  std::string text;
  for (int i = 0; i < 20000; ++i) text += (i % 3 == 0 ? ".line " : "line ") + std::to_string(i) + "\r\n";
  const auto large = w.submit({"r@a.example", "bad@a.example", "r@b.example"}, text + ".\r\n..\r\n");
  for (int i = 0; i < 20; ++i) w.submit({"r@a.example", "r@b.example", "s@b.example"});
  CHECK(w.run_until_done(1min));
  CHECK(plain.delivered.size() == 21);
  CHECK(secure.delivered.size() == 41);
  CHECK(w.recipient(large, 1).status == Status::failed);
  CHECK(w.events(large, 0)[0].reply.text().starts_with("250"));
  w.check();
}
