// Who waits how long when others have very much: accounts and streams share sites and connections by weight.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/sim/world.h"

using namespace relay;
using namespace relay::sim;
using namespace std::chrono_literals;

namespace {

// Every transaction takes a second.
HostScript slow() {
  HostScript script;
  script.act = [](Point p, const std::string&, Instant) {
    return Act{.text = "", .pause = p == Point::final_dot ? Duration(1s) : Duration::zero()};
  };
  return script;
}

MessageId send(World& w, const std::string& account, spool::Stream stream, const std::string& to) {
  return w.submit_message({to}, [&](spool::Message& m) {
    m.account.value = account;
    m.stream = stream;
  });
}

MessageId bulk(World& w, const std::string& account, const std::string& to) {
  return send(w, account, spool::Stream::bulk, to);
}
MessageId transactional(World& w, const std::string& account, const std::string& to) {
  return send(w, account, spool::Stream::transactional, to);
}

std::size_t place(const SimHost& host, const MessageId& id) {
  const auto found = std::ranges::find(host.delivered, id.text(), &Delivered::message);
  return static_cast<std::size_t>(found - host.delivered.begin());
}

queue::SchedulerSettings few(std::uint32_t connections, std::uint32_t per_site) {
  auto settings = World::quick();
  settings.connections = connections;
  settings.connections_per_site = settings.connections_at_first = per_site;
  return settings;
}

}  // namespace

TEST_CASE("a transactional message overtakes any amount of bulk mail for its site") {
  for (const bool restarted : {false, true}) {
    CAPTURE(restarted);
    World w(300, few(20, 2));
    SimHost& host = w.host("a.example", "192.0.2.1", slow());
    for (int i = 0; i < 1000; ++i) bulk(w, "shop", "r" + std::to_string(i) + "@a.example");
    w.run(10s);
    if (restarted) w.crash();
    const std::size_t before = host.delivered.size();
    const MessageId urgent = transactional(w, "shop", "u@a.example");
    const MessageId other = transactional(w, "club", "u@a.example");
    w.run(10s);
    // What is under way on both connections, and each other.
    CHECK(place(host, urgent) <= before + 4);
    CHECK(place(host, other) <= before + 4);
    CHECK(w.run_until_done(2h));
    w.check();
  }
}

TEST_CASE("transactional mail without end does not starve bulk mail, and another account gets its share") {
  World w(301, few(20, 1));
  SimHost& host = w.host("a.example", "192.0.2.1", slow());
  std::vector<MessageId> shop, club;
  for (int i = 0; i < 200; ++i) shop.push_back(bulk(w, "shop", "b@a.example"));
  for (int i = 0; i < 400; ++i) transactional(w, "shop", "t@a.example");
  for (int i = 0; i < 40; ++i) club.push_back(bulk(w, "club", "c@a.example"));
  w.run(125s);
  const auto sent = [&](const std::vector<MessageId>& ids) {
    return std::ranges::count_if(ids, [&](const MessageId& id) { return place(host, id) < 120; });
  };
  REQUIRE(host.delivered.size() >= 120);
  CHECK(sent(shop) >= 9);  // a twelfth each
  CHECK(sent(shop) <= 12);
  CHECK(sent(club) >= 9);
  CHECK(sent(club) <= 12);
  CHECK(w.run_until_done(2h));
  w.check();
}

TEST_CASE("mail for a thousand hosts that hang does not keep a transactional message from its connection") {
  World w(302, few(20, 2));
  HostScript hanging;
  hanging.act = [](Point p, const std::string&, Instant now) {
    return p == Point::greeting && now < Instant(1h) ? Act{.kind = Act::Kind::hang, .text = ""} : Act{};
  };
  for (int i = 0; i < 300; ++i) {
    const std::string n = std::to_string(i);
    w.host("h" + n + ".example", "192.0." + std::to_string(2 + i / 250) + "." + std::to_string(i % 250),
           hanging);
    bulk(w, "shop", "b@h" + n + ".example");
  }
  SimHost& host = w.host("a.example", "198.51.100.1");
  w.run(10s);
  CHECK(w.scheduler->stats().connections == 18);  // the rest is reserved
  const MessageId urgent = transactional(w, "club", "u@a.example");
  w.run(2s);
  CHECK(place(host, urgent) == 0);
  // Bulk mail of another account stands in line, but in turn with the first one's and not behind it: ahead of
  // it are two time-outs of 5 minutes at most.
  SimHost& other = w.host("b.example", "198.51.100.2");
  const MessageId patient = bulk(w, "club", "u@b.example");
  w.run(10min);
  CHECK(place(other, patient) == 0);
  CHECK(w.run_until_done(100h));
  w.check();
}

TEST_CASE("the reserve is for a site's first connection only") {
  World w(303, few(20, 20));
  SimHost& a = w.host("a.example", "192.0.2.1", slow());
  SimHost& b = w.host("b.example", "192.0.2.2", slow());
  for (int i = 0; i < 200; ++i) transactional(w, "shop", "t@a.example");
  w.run(5s);
  CHECK(a.open == 18);
  for (int i = 0; i < 20; ++i) transactional(w, "shop", "t@b.example");
  w.run(1s);
  CHECK(b.open >= 1);
  CHECK(a.open + b.open <= 20);
  CHECK(w.run_until_done(1h));
  w.check();
}
