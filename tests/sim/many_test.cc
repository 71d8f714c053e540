// Very many recipients together: all that concerns them goes in slices, here of three.
#include <doctest/doctest.h>

#include "tests/sim/world.h"

using namespace relay;
using namespace relay::sim;
using namespace std::chrono_literals;
using queue::Control;
using spool::EventType;
using spool::Status;

namespace {

queue::SchedulerSettings slices_of_three() {
  auto settings = World::quick();
  settings.recipients_per_slice = 3;
  return settings;
}

std::vector<MessageId> fifty(World& w) {
  std::vector<MessageId> ids;
  for (int i = 0; i < 50; ++i) {
    const std::string n = std::to_string(i % 5);
    ids.push_back(w.submit({"r@a" + n + ".example", "s@a" + n + ".example"}));
  }
  return ids;
}

}  // namespace

TEST_CASE("commands on everything change everything, one command after another") {
  World w(100, slices_of_three());
  bool open = false;
  HostScript closed;
  closed.act = [&open](Point p, const std::string&, Instant) {
    return p == Point::rcpt && !open ? Act{.kind = Act::Kind::reply, .text = "451 later"} : Act{};
  };
  for (int i = 0; i < 5; ++i)
    w.host("a" + std::to_string(i) + ".example", "192.0.2." + std::to_string(i), closed);
  const auto ids = fifty(w);
  w.run(30s);
  REQUIRE(w.scheduler->stats().open == 100);

  std::vector<std::string> answers;
  const auto ask = [&](Control what, queue::Selection which, std::string name) {
    w.scheduler->control(what, which, [&answers, name](const Result<queue::ControlResult>& r) {
      answers.push_back(name + " " + (r ? std::to_string(r->changed) : "failed"));
    });
  };
  w.controlled = true;
  ask(Control::hold, {}, "hold");
  ask(Control::release, {.message = {}, .domain = "a3.example"}, "release");
  ask(Control::release, {.message = {}, .domain = "unknown.example"}, "nothing");
  ask(Control::cancel, {.message = ids[0], .domain = {}}, "cancel");  // of one message: at once
  w.run(1s);
  CHECK(answers == std::vector<std::string>{"cancel 2", "hold 100", "release 20", "nothing 0"});
  CHECK(w.scheduler->stats().held == 78);
  open = true;
  CHECK(w.control(Control::retry).changed == 20);
  CHECK(w.control(Control::release).changed == 78);
  CHECK(w.run_until_done(10min));
  w.check();
}

TEST_CASE("a retry of everything reaches every site in back-off, and says so of all its recipients") {
  World w(101, slices_of_three());
  for (int i = 0; i < 5; ++i)
    w.host("a" + std::to_string(i) + ".example", "192.0.2." + std::to_string(i), down_until(Instant(5h)));
  fifty(w);
  w.run(5h + 1s);
  CHECK(w.control(Control::retry).changed == 100);
  CHECK(w.run_until_done(30s));
  w.check();
}

TEST_CASE("a command ends with the first error of a commit") {
  World w(102, slices_of_three());
  for (int i = 0; i < 5; ++i)
    w.host("a" + std::to_string(i) + ".example", "192.0.2." + std::to_string(i), down_until(Instant(5h)));
  fifty(w);
  w.run(30s);
  w.disk = [] { return Disk::failing; };
  std::optional<Result<queue::ControlResult>> answer;
  w.scheduler->control(Control::hold, {}, [&](Result<queue::ControlResult> r) { answer = std::move(r); });
  w.run(1s);
  REQUIRE(answer.has_value());
  CHECK(!answer->has_value());
  CHECK(w.scheduler->stats().held == 3);
  w.disk = nullptr;
  w.crash();
  CHECK(w.run_until_done(20h));
  w.check();
}

TEST_CASE("damage of some recipients does not end a command on all, and is counted") {
  World w(105, slices_of_three());
  for (int i = 0; i < 5; ++i)
    w.host("a" + std::to_string(i) + ".example", "192.0.2." + std::to_string(i), down_until(Instant(5h)));
  const auto ids = fifty(w);
  w.run(30s);
  w.store->unstorable = [&](const spool::Operation& operation) {
    const auto* change = std::get_if<spool::SetStatus>(&operation);
    return change != nullptr && (change->ref.message == ids[4] || change->ref.message == ids[20]);
  };
  const auto result = w.control(Control::hold);
  CHECK(result.changed == 96);
  CHECK(result.damaged == 4);
  CHECK(w.scheduler->stats().held == 100);
  w.store->unstorable = nullptr;
  w.crash();
  w.run(1s);
  CHECK(w.scheduler->stats().held == 96);
  CHECK(w.control(Control::release).changed == 96);
  CHECK(w.run_until_done(20h));
  w.check();
}

TEST_CASE("what comes due together is sent, however much it is") {
  World w(103, slices_of_three());
  HostScript greylisting;
  greylisting.act = [](Point p, const std::string&, Instant now) {
    return p == Point::rcpt && now < Instant(5s) ? Act{.kind = Act::Kind::reply, .text = "451 later"} : Act{};
  };
  for (int i = 0; i < 5; ++i)
    w.host("a" + std::to_string(i) + ".example", "192.0.2." + std::to_string(i), greylisting);
  fifty(w);
  w.run(10s);
  w.crash();
  CHECK(w.run_until_done(10min));
  w.check();
}

TEST_CASE("all mail of a domain that takes none is refused, and what comes meanwhile too") {
  World w(104, slices_of_three());
  w.resolver.latency = 2s;
  w.resolver.table["a.example"].status = dns::MailHosts::Status::null_mx;
  std::vector<MessageId> ids;
  for (int i = 0; i < 40; ++i) ids.push_back(w.submit({"r@a.example", "s@a.example"}));
  w.run(2s);
  for (int i = 0; i < 10; ++i) {
    w.run(5ms);
    ids.push_back(w.submit({"r@a.example"}));
  }
  CHECK(w.run_until_done(1min));
  for (const auto& id : ids) CHECK(w.recipient(id).status == Status::failed);
  CHECK(w.resolver.asked <= 2);
  w.check();
}

TEST_CASE("mail of a site that stays down expires, each when its time is over") {
  auto settings = slices_of_three();
  settings.retry.window = 6h;
  World w(105, settings);
  w.host("a.example", "192.0.2.1", down_until(Instant(1000h)));
  std::vector<MessageId> ids;
  for (int i = 0; i < 40; ++i) {
    ids.push_back(w.submit({"r@a.example"}));
    if (i % 4 == 0) w.run(20min);
  }
  CHECK(w.run_until_done(20h));
  for (const auto& id : ids) {
    CHECK(w.recipient(id).status == Status::failed);
    const auto events = w.events(id);
    const auto last = events.back();
    CHECK(last.detail.starts_with("4.4.7"));
    // Noticed at the site's next probe.
    CHECK(last.at - id.time() <
          6h + std::chrono::duration_cast<std::chrono::milliseconds>(1.3 * settings.retry.longest));
  }
  w.check();
}
