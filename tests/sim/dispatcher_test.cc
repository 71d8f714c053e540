// Several schedulers behind one dispatcher, here on one virtual loop.
#include "mta/queue/dispatcher.h"

#include <doctest/doctest.h>

#include <set>

#include "tests/sim/world.h"

using namespace relay;
using namespace relay::sim;
using namespace std::chrono_literals;
using queue::Control;
using queue::Scheduler;

TEST_CASE("the dispatcher gives every site to one scheduler, and asks all of them") {
  World w(60);
  w.run(0s);
  std::vector<std::unique_ptr<Scheduler>> shards;
  queue::Dispatcher dispatcher(*w.router);
  for (int i = 0; i < 3; ++i) {
    shards.push_back(std::make_unique<Scheduler>(
        Scheduler::Ports{w.loop, w.net, w.resolver, *w.writer, *w.loader, *w.router, w.rng}, w.settings));
    dispatcher.add(w.loop, *shards.back());
  }
  auto message = std::make_shared<spool::Message>();
  message->id = MessageId::make(w.loop.wall(), w.rng);
  message->accepted = w.loop.wall();
  message->body = std::make_shared<Body>("X-Sim-Id: " + message->id.text() + "\r\n\r\n");
  message->size = message->body->size();
  std::set<std::size_t> used;
  for (int i = 0; i < 20; ++i) {
    const std::string domain = "d" + std::to_string(i) + ".example";
    message->envelope.recipients.push_back({"r@" + domain});
    message->envelope.recipients.push_back({"s@" + domain});
    used.insert(dispatcher.shard_of(domain));
    HostScript later;
    later.act = [](Point p, const std::string&, Instant now) {
      return p == Point::rcpt && now < Instant(50s) ? Act{.kind = Act::Kind::reply, .text = "451 later"}
                                                    : Act{};
    };
    w.host(domain, "192.0.2." + std::to_string(i), later);
  }
  REQUIRE(used.size() == 3);
  REQUIRE(w.writer->submit(spool::Accept{message, message->accepted}, w.loop, {}));
  dispatcher.enqueue(message);
  w.run(10s);

  const auto stats = [&] {
    std::optional<queue::SchedulerStats> answer;
    dispatcher.stats(w.loop, [&](queue::SchedulerStats s) { answer = s; });
    w.run(1s);
    return answer.value();
  };
  const auto control = [&](Control what, queue::Selection which) {
    std::optional<Result<queue::ControlResult>> answer;
    dispatcher.control(what, std::move(which), w.loop,
                       [&](Result<queue::ControlResult> r) { answer = std::move(r); });
    w.run(1s);
    return answer.value().value();
  };
  CHECK(stats().open == 40);
  CHECK(stats().deferred == 40);
  CHECK(control(Control::hold, {.message = {}, .domain = "d7.example"}).changed == 2);
  CHECK(control(Control::hold, {.message = message->id, .domain = {}}).changed == 38);
  CHECK(stats().held == 40);
  w.run(5min);
  CHECK(control(Control::release, {}).changed == 40);
  w.run(1min);
  CHECK(stats().delivered == 40);
  CHECK(stats().open == 0);
  for (const auto& [address, host] : w.net.hosts()) CHECK(host->delivered.size() == 2);
}

TEST_CASE("the dispatcher restores what the store has") {
  World w(61);
  w.host("a.example", "192.0.2.1");
  const auto id = w.submit({"r@a.example", "s@a.example"});
  w.loop.run_until(w.loop.now() + 1s, [&] { return w.acknowledged(id); });
  w.scheduler.reset();
  Scheduler other({w.loop, w.net, w.resolver, *w.writer, *w.loader, *w.router, w.rng}, w.settings);
  queue::Dispatcher dispatcher(*w.router);
  dispatcher.add(w.loop, other);
  REQUIRE(w.store
              ->claim(
                  [&](spool::QueueEntry entry) {
                    const std::size_t shard = dispatcher.shard_of(entry.domain);
                    dispatcher.restore(shard, {std::move(entry)}, [] {});
                    return true;
                  },
                  [](const spool::Damage&) {}, [] { return true; })
              .has_value());
  w.loop.run_for(10s);
  CHECK(other.stats().delivered == 2);
  CHECK(w.received(id, "r@a.example") == 1);
  CHECK(w.received(id, "s@a.example") == 1);
}
