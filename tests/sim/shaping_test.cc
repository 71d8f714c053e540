// Sites that say "too much" are sent less, and as much as they take.
#include <doctest/doctest.h>

#include "tests/sim/world.h"

using namespace relay;
using namespace relay::sim;
using namespace std::chrono_literals;
using queue::Cause;
using queue::ClassifyRule;
using queue::Scope;

namespace {

queue::SchedulerSettings knowing() {
  auto settings = World::quick();
  auto made = queue::Classifier::make(
      {{.text = "too much", .cause = Cause::throttling, .scope = Scope::site, .treat = queue::Treat::defer},
       {.text = "too many", .cause = Cause::too_many_connections, .scope = Scope::site},
       {.text = "greylisted", .cause = Cause::greylisting, .scope = Scope::recipient}});
  REQUIRE(made.has_value());
  settings.classifier = std::make_shared<const queue::Classifier>(std::move(*made));
  return settings;
}

// Takes so many messages a minute, and refuses those that are more.
struct Throttling {
  std::size_t a_minute;
  std::vector<Instant> taken = {};
  std::size_t refused = 0;

  Act at(Point p, Instant now, const std::string& reply) {
    if (p != Point::mail) return Act{};
    std::erase_if(taken, [&](Instant at) { return now - at >= 1min; });
    if (taken.size() < a_minute) {
      taken.push_back(now);
      return Act{};
    }
    ++refused;
    return Act{.kind = Act::Kind::reply, .text = reply};
  }
};

}  // namespace

TEST_CASE("a host that takes thirty a minute gets about that, and few are refused") {
  for (const char* reply : {"451 4.7.1 too much, slow down", "550 5.7.1 too much, slow down"}) {
    World w(310, knowing());
    Throttling limit{30};
    HostScript script;
    script.act = [&](Point p, const std::string&, Instant now) { return limit.at(p, now, reply); };
    SimHost& host = w.host("a.example", "192.0.2.1", script);
    for (int i = 0; i < 1000; ++i) w.submit({"r@a.example"});
    w.run(1h);
    CHECK(host.delivered.size() >= 400);  // at thirty a minute 1,000 need 34 minutes
    CHECK(limit.refused <= 60);
    w.run(2h);
    CHECK(w.run_until_done(6h));
    CHECK(host.delivered.size() == 1000);
    w.check();
  }
}

TEST_CASE("a host that names its pause is left alone for it") {
  World w(311, knowing());
  std::vector<Instant> asked;
  HostScript script;
  script.act = [&](Point p, const std::string&, Instant now) {
    if (p == Point::mail) asked.push_back(now);
    return p == Point::mail && asked.size() == 20
               ? Act{.kind = Act::Kind::reply, .text = "421 4.7.0 too much, try again in 10 minutes"}
               : Act{};
  };
  w.host("a.example", "192.0.2.1", script);
  for (int i = 0; i < 100; ++i) w.submit({"r@a.example"});
  CHECK(w.run_until_done(2h));
  REQUIRE(asked.size() > 20);
  std::size_t under_way = 20;
  while (under_way < asked.size() && asked[under_way] - asked[19] < 5s) ++under_way;
  CHECK(under_way <= 20 + 5);  // connections at first
  CHECK(asked[under_way] - asked[19] >= 10min);
  w.check();
}

TEST_CASE("greylisting: the recipient is tried again when the host asks for it, and others do not wait") {
  World w(312, knowing());
  std::map<std::string, Instant> seen;
  std::map<std::string, std::vector<Instant>> tried;
  HostScript script;
  script.act = [&](Point p, const std::string& argument, Instant now) {
    if (p != Point::rcpt) return Act{};
    tried[argument].push_back(now);
    const auto [first, fresh] = seen.try_emplace(argument, now);
    return now - first->second < 7min
               ? Act{.kind = Act::Kind::reply, .text = "450 4.2.0 greylisted, please try again in 7 minutes"}
               : Act{};
  };
  w.host("a.example", "192.0.2.1", script);
  for (int i = 0; i < 10; ++i) w.submit({"r" + std::to_string(i) + "@a.example"});
  CHECK(w.run_until_done(30min));
  CHECK(tried.size() == 10);
  for (const auto& [who, times] : tried) {
    CHECK(times.size() == 2);
    CHECK(times[0] - tried.begin()->second[0] < 5s);
  }
  w.check();
}

TEST_CASE("a host that takes three connections gets no more of them again and again") {
  World w(313, knowing());
  std::uint32_t refused = 0;
  HostScript script;
  SimHost* host = nullptr;
  script.act = [&](Point p, const std::string&, Instant) {
    if (p == Point::greeting && host->open > 3) {
      ++refused;
      return Act{.kind = Act::Kind::reply, .text = "421 4.3.2 too many connections"};
    }
    return Act{.text = "", .pause = p == Point::final_dot ? Duration(1s) : Duration::zero()};
  };
  host = &w.host("a.example", "192.0.2.1", script);
  for (int i = 0; i < 500; ++i) w.submit({"r@a.example"});
  CHECK(w.run_until_done(3h));
  CHECK(refused <= 30);
  w.check();
}
