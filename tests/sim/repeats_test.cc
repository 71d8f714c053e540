// What a crash leaves under way: the recipients that may be delivered twice, no more and no fewer.
#include <doctest/doctest.h>

#include "tests/sim/world.h"

using namespace relay;
using namespace relay::sim;
using namespace std::chrono_literals;
using spool::EventType;
using spool::Status;

namespace {

HostScript hanging_at(Point where) {
  HostScript script;
  script.act = [where](Point point, const std::string&, Instant) -> Act {
    return {.kind = point == where ? Act::Kind::hang : Act::Kind::usual, .text = ""};
  };
  return script;
}

}  // namespace

TEST_CASE("a crash while hosts owe their last answers: these are counted, shown, and tried again at once") {
  World w(700);
  auto& slow = w.host("slow.example", "192.0.2.1", hanging_at(Point::final_dot));
  w.host("early.example", "192.0.2.2", hanging_at(Point::data));
  w.host("good.example", "192.0.2.3");
  const auto id = w.submit({"a@slow.example", "b@slow.example", "c@early.example", "d@good.example"});
  w.run(10s);
  CHECK(w.in_flight->stats().noted == 2);
  slow.script = {};
  w.crash();
  CHECK(w.repeats == std::map<RecipientRef, std::uint32_t>{{{id, 0}, 1}, {{id, 1}, 1}});
  CHECK(w.in_flight->stats().noted == 0);
  for (const std::uint32_t index : {0u, 1u}) {
    const auto events = w.events(id, index);
    REQUIRE(events.size() == 1);
    CHECK(events[0].type == EventType::deferred);
    CHECK(events[0].in_doubt);
    CHECK(w.recipient(id, index).attempts == 1);
    CHECK(w.recipient(id, index).next_attempt <= w.loop.wall());
  }
  CHECK(w.recipient(id, 2).attempts == 0);
  CHECK(w.events(id, 3).size() == 1);
  w.run(10s);
  CHECK(w.received(id, "a@slow.example") == 1);
  CHECK(w.recipient(id, 0).status == Status::delivered);
  CHECK(w.recipient(id, 0).attempts == 2);
  w.restart();
  CHECK(w.repeats.size() == 2);
  w.check();
}

TEST_CASE("a crash before the commit of outcomes: a delivery is counted, a refusal is not") {
  World w(701);
  w.host("good.example", "192.0.2.1");
  HostScript no;
  no.act = [](Point point, const std::string&, Instant) -> Act {
    return point == Point::final_dot ? Act{.kind = Act::Kind::reply, .text = "451 4.3.0 not now"} : Act{};
  };
  w.host("no.example", "192.0.2.2", no);
  HostScript lost;
  lost.act = [](Point point, const std::string&, Instant) -> Act {
    return {.kind = point == Point::final_dot ? Act::Kind::take_and_drop : Act::Kind::usual, .text = ""};
  };
  w.host("lost.example", "192.0.2.3", lost);
  bool accepted = false;
  w.crash_at = [&accepted](std::uint64_t) {
    return std::exchange(accepted, true) ? SimWriter::Crash::before_commit : SimWriter::Crash::none;
  };
  const auto id = w.submit({"a@good.example", "b@no.example", "c@lost.example"});
  w.loop.run_until(w.loop.now() + 10s, [&] { return w.writer->crashed(); });
  REQUIRE(w.writer->crashed());
  CHECK(w.received(id, "a@good.example") == 1);
  CHECK(w.in_flight->stats().noted == 2);
  w.crash_at = nullptr;
  w.crash();
  CHECK(w.repeats == std::map<RecipientRef, std::uint32_t>{{{id, 0}, 1}, {{id, 2}, 1}});
  w.run(1min);
  CHECK(w.received(id, "a@good.example") == 2);
  w.check();
}

TEST_CASE("a crash after the commit of an outcome that left the recipient open counts nothing") {
  World w(702);
  HostScript lost;
  lost.act = [](Point point, const std::string&, Instant) -> Act {
    return {.kind = point == Point::final_dot ? Act::Kind::take_and_drop : Act::Kind::usual, .text = ""};
  };
  w.host("lost.example", "192.0.2.3", lost);
  bool accepted = false;
  w.crash_at = [&accepted](std::uint64_t) {
    return std::exchange(accepted, true) ? SimWriter::Crash::after_commit : SimWriter::Crash::none;
  };
  const auto id = w.submit({"c@lost.example"});
  w.loop.run_until(w.loop.now() + 10s, [&] { return w.writer->crashed(); });
  CHECK(w.in_flight->stats().noted == 1);
  w.crash_at = nullptr;
  w.crash();
  CHECK(w.repeats.empty());
  CHECK(w.events(id).size() == 1);
  CHECK(w.in_flight->stats().noted == 0);
  w.check();
}

TEST_CASE("a host that ends a session at the end of the content, with others to try, leaves nothing noted") {
  World w(703);
  HostScript busy;
  busy.act = [](Point point, const std::string&, Instant) -> Act {
    return point == Point::final_dot ? Act{.kind = Act::Kind::reply, .text = "421 4.3.2 going down"} : Act{};
  };
  w.host("two.example", "192.0.2.1", busy);
  w.host("two.example", "192.0.2.2");
  const auto id = w.submit({"a@two.example"});
  CHECK(w.run_until_done(1min));
  CHECK(w.received(id, "a@two.example") == 1);
  CHECK(w.in_flight->stats().noted == 0);
  CHECK(w.in_flight->stats().uncovered == 0);
  w.crash();
  CHECK(w.repeats.empty());
  w.check();
}
