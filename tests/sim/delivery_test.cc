// What a sender and an administrator see of delivery, with hosts that behave.
#include <doctest/doctest.h>

#include "tests/sim/world.h"

using namespace relay;
using namespace relay::sim;
using namespace std::chrono_literals;
using spool::EventType;
using spool::Status;

TEST_CASE("one message to one recipient is delivered, and its event says how") {
  World w(1);
  w.host("a.example", "192.0.2.1");
  const auto id = w.submit({"one@a.example"}, ".a dot at the start\r\n..two\r\n.\r\n");
  CHECK(w.run_until_done(1min));
  const auto events = w.events(id);
  REQUIRE(events.size() == 1);
  CHECK(events[0].type == EventType::delivered);
  CHECK(events[0].host == "mx10.a.example [192.0.2.1]:25");
  CHECK(events[0].reply.text() == "250 2.0.0 taken");
  CHECK(w.recipient(id).status == Status::delivered);
  CHECK(w.recipient(id).attempts == 1);
  w.check();
}

TEST_CASE("recipients of one message and site share a transaction, bounded in size") {
  auto settings = World::quick();
  settings.recipients_per_transaction = 10;
  settings.connections_per_site = 1;
  World w(2, settings);
  auto& a = w.host("a.example", "192.0.2.1");
  auto& b = w.host("b.example", "192.0.2.2");
  std::vector<std::string> recipients;
  for (int i = 0; i < 25; ++i) recipients.push_back("r" + std::to_string(i) + "@a.example");
  recipients.push_back("only@b.example");
  w.submit(recipients);
  CHECK(w.run_until_done(1min));
  CHECK(a.transactions == 3);
  CHECK(a.sessions == 1);
  CHECK(a.delivered.size() == 25);
  CHECK(a.delivered[0].recipient == "r0@a.example");
  CHECK(b.transactions == 1);
  w.check();
}

TEST_CASE("a connection is used again, ends after its share of messages, and quits when idle") {
  auto settings = World::quick();
  settings.connections_per_site = 1;
  settings.messages_per_connection = 4;
  World w(3, settings);
  auto& a = w.host("a.example", "192.0.2.1");
  for (int i = 0; i < 10; ++i) w.submit({"r@a.example"});
  w.run(1s);
  CHECK(a.delivered.size() == 10);
  CHECK(a.sessions == 3);
  CHECK(a.open == 1);  // idle
  w.submit({"r@a.example"});
  w.run(1s);
  CHECK(a.sessions == 3);
  w.run(10s);
  CHECK(a.open == 0);
  w.check();
}

TEST_CASE("connections to a site grow with success, up to their limit") {
  auto settings = World::quick();
  settings.connections_per_site = 8;
  settings.connections_at_first = 2;
  World w(4, settings);
  auto& a = w.host("a.example", "192.0.2.1");
  for (int i = 0; i < 500; ++i) w.submit({"r@a.example"});
  w.run(50ms);
  CHECK(a.most_open == 2);
  CHECK(w.run_until_done(10min));
  CHECK(a.most_open == 8);
  CHECK(a.delivered.size() == 500);
  w.check();
}

TEST_CASE("at the limit of all connections every site gets its turn") {
  auto settings = World::quick();
  settings.connections = 4;
  settings.messages_per_turn = 2;
  World w(5, settings);
  std::vector<SimHost*> hosts;
  for (int site = 0; site < 20; ++site) {
    const std::string domain = "d" + std::to_string(site) + ".example";
    hosts.push_back(&w.host(domain, "192.0.2." + std::to_string(site + 1)));
    for (int i = 0; i < (site == 0 ? 200 : 2); ++i) w.submit({"r@" + domain});
  }
  // The large site, first in line, does not make the others wait for its end.
  const bool all_small = w.loop.run_until(w.loop.now() + 10min, [&] {
    for (std::size_t i = 1; i < hosts.size(); ++i)
      if (hosts[i]->delivered.size() < 2) return false;
    return true;
  });
  CHECK(all_small);
  CHECK(hosts[0]->delivered.size() < 150);
  CHECK(w.run_until_done(10min));
  CHECK(w.net.most_open() == 4);
  w.check();
}

TEST_CASE("bodies over the memory bound are read from the store") {
  auto settings = World::quick();
  settings.body_bytes = 5000;
  settings.connections_per_site = 2;
  World w(6, settings);
  auto& a = w.host("a.example", "192.0.2.1");
  for (int i = 0; i < 50; ++i) w.submit({"r@a.example"}, std::string(1000, 'x') + "\r\n");
  CHECK(w.run_until_done(1min));
  CHECK(a.delivered.size() == 50);
  w.check();
}

TEST_CASE("a route sends to its host, by address or by name") {
  World w(7);
  w.router = std::make_unique<queue::Router>(
      std::vector<queue::RouteRule>{{"*.in.example", queue::HostPort{"192.0.2.9", 2526}, false},
                                    {"named.example", queue::HostPort{"smart.example", 587}, false}});
  auto& literal = w.net.add("192.0.2.9", {});
  auto& named = w.net.add("192.0.2.8", {});
  w.resolver.add("smart.example", {"192.0.2.8"});
  const auto one = w.submit({"r@x.in.example", "r@y.in.example"});
  const auto two = w.submit({"r@named.example"});
  CHECK(w.run_until_done(1min));
  CHECK(literal.transactions == 1);  // one site, one transaction
  CHECK(literal.delivered.size() == 2);
  CHECK(named.delivered.size() == 1);
  CHECK(w.events(one)[0].host == "[192.0.2.9]:2526");
  CHECK(w.events(two)[0].host == "mx10.smart.example [192.0.2.8]:587");
  w.check();
}

TEST_CASE("TLS is used where it is offered; a handshake that fails is followed by one try without") {
  World w(8);
  HostScript good, broken;
  good.starttls = broken.starttls = true;
  broken.act = [](Point p, const std::string&, Instant) {
    return p == Point::handshake ? Act{.kind = Act::Kind::drop, .text = ""} : Act{};
  };
  auto& a = w.host("a.example", "192.0.2.1", good);
  auto& b = w.host("b.example", "192.0.2.2", broken);
  const auto id = w.submit({"r@a.example", "r@b.example"});
  CHECK(w.run_until_done(1min));
  REQUIRE(a.delivered.size() == 1);
  CHECK(a.delivered[0].tls);
  CHECK(w.events(id, 0)[0].tls);
  REQUIRE(b.delivered.size() == 1);
  CHECK(!b.delivered[0].tls);
  CHECK(!w.events(id, 1)[0].tls);
  CHECK(b.sessions == 2);
  w.check();
}

TEST_CASE("where a route requires TLS nothing is sent without") {
  World w(9);
  w.router = std::make_unique<queue::Router>(
      std::vector<queue::RouteRule>{{"a.example", std::nullopt, true}, {"b.example", std::nullopt, true}});
  HostScript broken;
  broken.starttls = true;
  broken.act = [](Point p, const std::string&, Instant) {
    return p == Point::handshake ? Act{.kind = Act::Kind::drop, .text = ""} : Act{};
  };
  auto& none = w.host("a.example", "192.0.2.1");
  auto& b = w.host("b.example", "192.0.2.2", broken);
  const auto id = w.submit({"r@a.example", "r@b.example"});
  CHECK(w.run_until_done(100h));
  CHECK(none.delivered.empty());
  CHECK(b.delivered.empty());
  CHECK(w.recipient(id, 0).status == Status::failed);
  CHECK(w.recipient(id, 1).status == Status::failed);
  w.check();
}

TEST_CASE("to the product's own server, byte for byte") {
  World w(10);
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
  for (const auto& d : secure.delivered) CHECK(d.tls);
  CHECK(w.recipient(large, 1).status == Status::failed);
  w.check();
}
