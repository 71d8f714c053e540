// Content that is loaded for later attempts, and the bound on all that is in memory.
#include <doctest/doctest.h>

#include "tests/sim/world.h"

using namespace relay;
using namespace relay::sim;
using namespace std::chrono_literals;
using queue::Control;
using spool::EventType;
using spool::Status;

namespace {

// Answers RCPT with 451 until then.
HostScript closed_until(Instant open) {
  HostScript script;
  script.act = [open](Point p, const std::string&, Instant now) {
    return p == Point::rcpt && now < open ? Act{.kind = Act::Kind::reply, .text = "451 4.3.0 later"} : Act{};
  };
  return script;
}

std::function<SimLoader::Act(std::uint64_t)> slow(Duration pause) {
  return [pause](std::uint64_t) { return SimLoader::Act{.pause = pause}; };
}

}  // namespace

TEST_CASE("the first attempt reads nothing, a later one loads once for all recipients, whatever their site") {
  World w(80);
  w.host("a.example", "192.0.2.1", closed_until(Instant(50s)));
  w.host("b.example", "192.0.2.2", closed_until(Instant(50s)));
  const auto id = w.submit({"r@a.example", "s@a.example", "t@b.example"});
  w.run(10s);
  CHECK(w.loader->loads() == 0);
  CHECK(w.recipient(id, 2).attempts == 1);
  CHECK(w.scheduler->stats().body_bytes == 0);  // nobody wants it for a minute
  w.control(Control::retry);
  w.run(10s);
  CHECK(w.loader->loads() == 1);
  CHECK(w.run_until_done(10min));
  CHECK(w.scheduler->stats().body_bytes == 0);
  w.check();
}

TEST_CASE("200 connections that retry messages of 1 MiB stay under a bound of 8 MiB") {
  auto settings = World::quick();
  settings.body_bytes = 8u << 20;
  settings.connections = 200;
  World w(81, settings);
  HostScript script = closed_until(Instant(30s));
  const std::string text(1u << 20, 'x');
  for (int i = 0; i < 200; ++i) {
    const std::string domain = "d" + std::to_string(i) + ".example";
    w.host(domain, "192.0.2." + std::to_string(i), script);
    w.submit({"r@" + domain}, text + "\r\n");
    if (i % 4 == 3) w.run(10ms);
  }
  w.run(20s);
  CHECK(w.scheduler->stats().deferred == 200);
  CHECK(w.scheduler->stats().most_body_bytes <= settings.body_bytes);
  CHECK(w.scheduler->stats().most_body_bytes > settings.body_bytes / 2);
  w.run(10s);
  w.control(Control::retry);
  CHECK(w.run_until_done(1h));
  CHECK(w.scheduler->stats().delivered == 200);
  CHECK(w.net.most_open() > 100);
  CHECK(w.loader->loads() > 200);
  CHECK(w.scheduler->stats().most_body_bytes <= settings.body_bytes);
  CHECK(w.scheduler->stats().body_bytes == 0);
}

TEST_CASE("without any memory for content the messages go one at a time") {
  auto settings = World::quick();
  settings.body_bytes = 0;
  World w(82, settings);
  auto& a = w.host("a.example", "192.0.2.1");
  for (int i = 0; i < 20; ++i) w.submit({"r@a.example", "s@a.example"}, std::string(100'000, 'x') + "\r\n");
  CHECK(w.run_until_done(1h));
  CHECK(a.delivered.size() == 40);
  CHECK(w.scheduler->stats().most_body_bytes < 110'000);
  w.check();
}

TEST_CASE("fresh mail that has to give way is read when its turn comes") {
  auto settings = World::quick();
  settings.body_bytes = 200'000;
  settings.connections_per_site = 1;
  World w(83, settings);
  HostScript script;
  script.act = [](Point p, const std::string&, Instant) {
    return p == Point::final_dot ? Act{.kind = Act::Kind::usual, .text = "", .pause = 1s} : Act{};
  };
  w.host("slow.example", "192.0.2.1", script);
  auto& quick = w.host("quick.example", "192.0.2.2");
  for (int i = 0; i < 100; ++i) w.submit({"r@slow.example"}, std::string(10'000, 'x') + "\r\n");
  w.run(2s);
  CHECK(w.loader->loads() == 0);
  for (int i = 0; i < 5; ++i) {
    w.submit({"r@quick.example"}, std::string(10'000, 'x') + "\r\n");
    w.run(100ms);
  }
  CHECK(quick.delivered.size() == 5);
  CHECK(w.loader->loads() == 0);  // room was made by those far back in the other line
  CHECK(w.run_until_done(1h));
  CHECK(w.loader->loads() > 50);
  CHECK(w.scheduler->stats().most_body_bytes <= settings.body_bytes);
  w.check();
}

TEST_CASE("a recipient whose message is being loaded can be held and cancelled") {
  World w(84);
  auto& a = w.host("a.example", "192.0.2.1", closed_until(Instant(5s)));
  const auto id = w.submit({"r@a.example", "s@a.example", "t@a.example"});
  w.run(10s);
  w.loader->act = slow(2min);
  w.control(Control::retry);
  w.run(1s);
  REQUIRE(w.scheduler->stats().in_flight == 3);
  const auto held = w.control(Control::hold, {.message = id, .domain = {}});
  CHECK(held.changed == 3);
  CHECK(held.in_flight == 0);
  w.run(10min);
  CHECK(a.delivered.empty());
  CHECK(w.recipient(id, 1).attempts == 1);
  CHECK(w.control(Control::cancel).changed == 3);
  CHECK(w.run_until_done(10min));
  CHECK(w.scheduler->stats().body_bytes == 0);
  w.check();
}

TEST_CASE("of several recipients being loaded for, one withdrawn does not go") {
  World w(85);
  bool open = false;
  HostScript script;
  script.act = [&open](Point p, const std::string&, Instant) {
    return p == Point::rcpt && !open ? Act{.kind = Act::Kind::reply, .text = "451 later"} : Act{};
  };
  auto& a = w.host("a.example", "192.0.2.1", script);
  w.host("b.example", "192.0.2.2", script);
  w.submit({"r@a.example", "t@b.example"});
  w.submit({"s@a.example"});
  w.run(10s);
  open = true;
  w.loader->act = slow(10s);
  w.control(Control::retry);
  w.run(1s);
  CHECK(w.control(Control::cancel, {.message = {}, .domain = "b.example"}).changed == 1);
  CHECK(w.run_until_done(10min));
  CHECK(a.delivered.size() == 2);
  CHECK(w.net.host("192.0.2.2").delivered.empty());
  w.check();
}

TEST_CASE("a host that ends the session while a message is loaded") {
  World w(86);
  auto& a = w.host("a.example", "192.0.2.1", closed_until(Instant(5s)));
  const auto id = w.submit({"r@a.example"});
  w.run(10s);
  SUBCASE("at once: that is an attempt, and it does not go on dialling") {
    a.script.session = 100ms;
    w.loader->act = slow(5s);
    w.run(10min);
    CHECK(w.events(id).size() > 1);
    CHECK(a.sessions < 12);
    CHECK(w.events(id)[1].detail.find("closed the connection") != std::string::npos);
  }
  SUBCASE("after a long wait: it is dialled again without an attempt") {
    a.script.session = 30s;
    w.loader->act = slow(40s);
    w.run(5min);
    CHECK(w.events(id).size() == 2);
    CHECK(w.recipient(id).status == Status::delivered);
    CHECK(w.recipient(id).attempts == 2);
  }
  a.script.session = Duration::max();
  w.loader->act = nullptr;
  CHECK(w.run_until_done(80h));
  w.check();
}

TEST_CASE("draining while messages are being loaded gives them back without an attempt") {
  World w(87);
  w.host("a.example", "192.0.2.1", closed_until(Instant(5s)));
  const auto id = w.submit({"r@a.example"});
  w.run(10s);
  w.loader->act = slow(10min);
  w.control(Control::retry);
  w.run(1s);
  REQUIRE(w.scheduler->stats().in_flight == 1);
  w.restart();  // what is loaded comes when the scheduler has gone
  CHECK(w.recipient(id).attempts == 1);
  CHECK(w.run_until_done(10min));
  CHECK(w.recipient(id).attempts == 2);
  w.check();
}

TEST_CASE("crashes while messages are being loaded lose nothing") {
  World w(88);
  w.load_act = slow(3s);
  w.host("a.example", "192.0.2.1", closed_until(Instant(5s)));
  w.host("b.example", "192.0.2.2", closed_until(Instant(5s)));
  for (int i = 0; i < 20; ++i) w.submit({"r@a.example", "s@b.example"});
  w.run(10s);
  for (int i = 0; i < 10; ++i) {
    w.control(Control::retry);
    w.run(std::chrono::milliseconds(700 * i));
    w.crash();
  }
  CHECK(w.run_until_done(10h));
  w.check();
}

TEST_CASE("what cannot be read: a passing fault is tried again, damage fails the message alone") {
  World w(89);
  auto& a = w.host("a.example", "192.0.2.1", closed_until(Instant(5s)));
  const auto id = w.submit({"r@a.example", "s@a.example"});
  w.run(10s);
  w.loader->act = [](std::uint64_t load) { return SimLoader::Act{.pause = 1ms, .fail = load < 3}; };
  CHECK(w.run_until_done(10h));
  CHECK(a.delivered.size() == 2);
  CHECK(w.events(id)[1].type == EventType::deferred);
  CHECK(w.events(id)[1].detail.starts_with("4.3.0"));
  CHECK(w.events(id).size() == 4);
  w.check();
}
