// What an administrator does to the queue, and what restarts and crashes do.
#include <doctest/doctest.h>

#include "tests/sim/world.h"

using namespace relay;
using namespace relay::sim;
using namespace std::chrono_literals;
using queue::Control;
using queue::Selection;
using spool::EventType;
using spool::Status;

namespace {

// Answers RCPT with 451 until the flag is set.
HostScript closed_until(const bool& open) {
  HostScript script;
  script.act = [&open](Point p, const std::string&, Instant) {
    return p == Point::rcpt && !open ? Act{.kind = Act::Kind::reply, .text = "451 4.3.0 later"} : Act{};
  };
  return script;
}

}  // namespace

TEST_CASE("hold, release, retry and cancel change what waits, by message and by domain") {
  World w(40);
  bool open = false;
  w.host("a.example", "192.0.2.1", closed_until(open));
  w.host("b.example", "192.0.2.2", closed_until(open));
  const auto one = w.submit({"r@a.example", "s@b.example"});
  const auto two = w.submit({"r@a.example"});
  const auto three = w.submit({"r@a.example"});
  w.run(5s);
  REQUIRE(w.scheduler->stats().open == 4);

  CHECK(w.control(Control::hold, {.message = one, .domain = {}}).changed == 2);
  CHECK(w.control(Control::hold, {.message = one, .domain = {}}).changed == 0);
  CHECK(w.scheduler->stats().held == 2);
  CHECK(w.recipient(one, 0).status == Status::held);
  CHECK(w.control(Control::cancel, {.message = three, .domain = {}}).changed == 1);
  CHECK(w.recipient(three).status == Status::cancelled);
  CHECK(w.control(Control::retry, {.message = one, .domain = {}}).changed == 0);  // held stays held

  open = true;
  CHECK(w.control(Control::retry, {}).changed == 1);
  w.run(1s);
  CHECK(w.recipient(two).status == Status::delivered);
  CHECK(w.events(two)[1].type == EventType::retried);

  w.run(10h);
  CHECK(w.recipient(one, 0).status == Status::held);
  CHECK(w.control(Control::release, {.message = {}, .domain = "b.example"}).changed == 1);
  w.run(1s);
  CHECK(w.recipient(one, 0).status == Status::held);
  CHECK(w.recipient(one, 1).status == Status::delivered);
  w.restart();
  CHECK(w.scheduler->stats().held == 1);
  CHECK(w.control(Control::release, {}).changed == 1);
  CHECK(w.run_until_done(1min));
  CHECK(w.recipient(one, 0).status == Status::delivered);
  w.check();
}

TEST_CASE("what is in flight is left alone and counted") {
  World w(41);
  HostScript slow;
  slow.act = [](Point p, const std::string&, Instant) {
    return p == Point::final_dot ? Act{.kind = Act::Kind::usual, .text = "", .pause = 1min} : Act{};
  };
  w.host("a.example", "192.0.2.1", slow);
  const auto id = w.submit({"r@a.example"});
  w.run(10s);
  const auto result = w.control(Control::cancel, {});
  CHECK(result.changed == 0);
  CHECK(result.in_flight == 1);
  CHECK(w.run_until_done(5min));
  CHECK(w.recipient(id).status == Status::delivered);
  w.check();
}

TEST_CASE("retry reaches a site in back-off at once") {
  World w(42);
  bool up = false;
  HostScript script;
  script.act = [&up](Point p, const std::string&, Instant) {
    return p == Point::connect && !up ? Act{.kind = Act::Kind::refuse, .text = ""} : Act{};
  };
  w.host("a.example", "192.0.2.1", script);
  for (int i = 0; i < 10; ++i) w.submit({"r@a.example"});
  w.run(5h);
  up = true;
  CHECK(w.control(Control::retry, {}).changed == 10);
  CHECK(w.run_until_done(10s));
  w.check();
}

TEST_CASE("a failed commit of a command is its error") {
  World w(43);
  bool open = false;
  w.host("a.example", "192.0.2.1", closed_until(open));
  w.submit({"r@a.example"});
  w.run(5s);
  w.writer->fail_for_good();
  std::optional<Result<queue::ControlResult>> answer;
  w.scheduler->control(Control::hold, {}, [&](Result<queue::ControlResult> r) { answer = std::move(r); });
  w.run(1s);
  REQUIRE(answer.has_value());
  CHECK(!answer->has_value());
  open = true;
  w.crash();  // the hold was never stored
  CHECK(w.run_until_done(10min));
  w.check();
}

TEST_CASE("draining finishes what is in flight, begins nothing, and the rest is there after the start") {
  World w(44);
  HostScript slow;
  slow.act = [](Point p, const std::string&, Instant) {
    return p == Point::final_dot ? Act{.kind = Act::Kind::usual, .text = "", .pause = 30s} : Act{};
  };
  auto& a = w.host("a.example", "192.0.2.1", slow);
  for (int i = 0; i < 20; ++i) w.submit({"r@a.example"});
  w.run(10s);
  const auto in_flight = w.scheduler->stats().in_flight;
  CHECK(in_flight > 0);
  w.restart();
  CHECK(a.delivered.size() == in_flight);
  CHECK(w.run_until_done(1h));
  CHECK(a.delivered.size() == 20);
  w.check();
}

TEST_CASE("draining while hosts are being tried gives the recipients back without an attempt") {
  World w(45);
  HostScript hanging, refusing;
  hanging.act = [](Point p, const std::string&, Instant) {
    return p == Point::connect ? Act{.kind = Act::Kind::hang, .text = ""} : Act{};
  };
  refusing.act = [](Point p, const std::string&, Instant) {
    return p == Point::mail ? Act{.kind = Act::Kind::reply, .text = "421 4.3.2 going down"} : Act{};
  };
  w.host("a.example", "192.0.2.1", refusing);
  w.host("a.example", "192.0.2.2", hanging);
  const auto id = w.submit({"r@a.example"});
  w.run(5s);
  CHECK(w.scheduler->stats().in_flight == 1);
  w.restart();
  CHECK(w.events(id).empty());
  w.net.host("192.0.2.1").script.act = nullptr;
  CHECK(w.run_until_done(1h));
  CHECK(w.recipient(id).status == Status::delivered);
  w.check();
}
