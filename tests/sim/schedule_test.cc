// Mail that is not to be sent before a time.
#include <doctest/doctest.h>

#include "tests/sim/world.h"

using namespace relay;
using namespace relay::sim;
using namespace std::chrono_literals;
using queue::Control;
using spool::EventType;
using spool::Status;

namespace {

MessageId submit_for(World& w, const std::vector<std::string>& recipients, std::chrono::milliseconds ahead,
                     const std::string& text = "Hello\r\n") {
  return w.submit_message(
      recipients, [&](spool::Message& message) { message.scheduled = message.accepted + ahead; }, text);
}

}  // namespace

TEST_CASE("scheduled mail goes at its time, not before, and its content is not in memory meanwhile") {
  World w(70);
  w.host("a.example", "192.0.2.1");
  w.host("b.example", "192.0.2.2");
  const auto id =
      submit_for(w, {"r@a.example", "s@a.example", "t@b.example"}, 5h, std::string(100'000, 'x') + "\r\n");
  const auto past = submit_for(w, {"r@a.example"}, -5h);
  w.run(10s);
  CHECK(w.recipient(past).status == Status::delivered);
  CHECK(w.scheduler->stats().body_bytes == 0);
  CHECK(w.scheduler->stats().open == 3);
  CHECK(w.scheduler->stats().ready == 0);
  CHECK(w.recipient(id).next_attempt == w.view(id).message.scheduled);
  w.run(5h - 11s);
  CHECK(w.received(id, "r@a.example") == 0);
  w.run(5s);
  for (const std::uint32_t i : {0u, 1u, 2u}) CHECK(w.recipient(id, i).status == Status::delivered);
  w.check();
}

TEST_CASE("it survives restarts and crashes, before its time and at it") {
  World w(71);
  w.host("a.example", "192.0.2.1");
  const auto id = submit_for(w, {"r@a.example"}, 4h);
  w.run(1min);
  w.restart();  // takes an hour
  CHECK(w.recipient(id).next_attempt == w.view(id).message.scheduled);
  w.run(1h);
  w.crash();
  w.run(1h);
  CHECK(w.received(id, "r@a.example") == 0);
  CHECK(w.scheduler->stats().open == 1);
  w.run(1h);
  CHECK(w.recipient(id).status == Status::delivered);
  w.check();
}

TEST_CASE("the retry window begins at its time, after a restart too") {
  World w(72);
  HostScript closed;
  closed.act = [](Point p, const std::string&, Instant) {
    return p == Point::rcpt ? Act{.kind = Act::Kind::reply, .text = "451 4.3.0 later"} : Act{};
  };
  w.host("a.example", "192.0.2.1", closed);
  const Duration window = w.settings.retry.window;
  const auto id = submit_for(w, {"r@a.example"}, 720h);  // ten times the window
  w.run(720h + 1min);
  CHECK(w.recipient(id).status == Status::queued);
  CHECK(w.recipient(id).attempts >= 1);
  w.restart();
  w.run(window - 2h);
  CHECK(w.recipient(id).status == Status::queued);
  w.run(1h);
  CHECK(w.recipient(id).status == Status::failed);
  w.check();
}

TEST_CASE("it can be cancelled, sent now, held, and released to its time") {
  World w(73);
  w.host("a.example", "192.0.2.1");
  const auto cancelled = submit_for(w, {"r@a.example"}, 3h);
  const auto now = submit_for(w, {"r@a.example"}, 3h);
  const auto held = submit_for(w, {"r@a.example"}, 3h);
  const auto late = submit_for(w, {"r@a.example"}, 3h);
  w.run(1min);
  CHECK(w.control(Control::cancel, {.message = cancelled, .domain = {}}).changed == 1);
  CHECK(w.control(Control::retry, {.message = now, .domain = {}}).changed == 1);
  CHECK(w.control(Control::hold, {.message = held, .domain = {}}).changed == 1);
  CHECK(w.control(Control::hold, {.message = late, .domain = {}}).changed == 1);
  w.run(1min);
  CHECK(w.recipient(cancelled).status == Status::cancelled);
  CHECK(w.recipient(now).status == Status::delivered);
  CHECK(w.control(Control::release, {.message = held, .domain = {}}).changed == 1);
  w.run(1min);
  CHECK(w.recipient(held).status == Status::queued);
  CHECK(w.recipient(held).next_attempt == w.view(held).message.scheduled);
  w.restart();
  w.run(1h);
  CHECK(w.received(held, "r@a.example") == 0);
  w.run(2h);
  CHECK(w.recipient(held).status == Status::delivered);
  CHECK(w.recipient(late).status == Status::held);
  CHECK(w.control(Control::release, {.message = late, .domain = {}}).changed == 1);
  CHECK(w.run_until_done(1min));
  CHECK(w.recipient(late).status == Status::delivered);
  CHECK(w.received(cancelled, "r@a.example") == 0);
  w.check();
}

TEST_CASE("a retry of many does not send what is scheduled for later, one by its id does") {
  World w(79);
  w.host("a.example", "192.0.2.1");
  const auto first = submit_for(w, {"r@a.example"}, 5h);
  const auto second = submit_for(w, {"r@a.example"}, 5h);
  w.run(10s);
  CHECK(w.control(Control::retry, {}).changed == 0);
  CHECK(w.control(Control::retry, {.message = {}, .domain = "a.example"}).changed == 0);
  CHECK(w.control(Control::retry, {.message = first, .domain = {}}).changed == 1);
  w.run(10s);
  CHECK(w.recipient(first).status == Status::delivered);
  CHECK(w.received(second, "r@a.example") == 0);
  CHECK(w.recipient(second).next_attempt == w.view(second).message.scheduled);
  CHECK(w.run_until_done(6h));
  w.check();
}
