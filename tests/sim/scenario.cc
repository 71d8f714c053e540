#include "tests/sim/scenario.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <iterator>

using namespace std::chrono_literals;

namespace relay::sim {
namespace {

Act random_act(Point point, Rng& rng) {
  static const char* const replies[] = {
      "421 4.3.2 going down", "451 4.7.1 greylisted", "450 4.2.1 busy", "452 4.3.1 full", "550 5.1.1 no",
      "554 5.7.1 spam",       "250 2.0.0 what",       "354 what",       "rubbish"};
  switch (rng.below(6)) {
    case 0: return {.kind = Act::Kind::drop, .text = ""};
    case 1: return {.kind = Act::Kind::hang, .text = ""};
    case 2: return {.kind = Act::Kind::usual, .text = "", .pause = std::chrono::seconds(rng.below(900))};
    case 3:
      if (point == Point::final_dot) return {.kind = Act::Kind::take_and_drop, .text = ""};
      [[fallthrough]];
    default: return {.kind = Act::Kind::reply, .text = replies[rng.below(std::size(replies))]};
  }
}

}  // namespace

HostScript stormy(World& w, const Trouble& trouble) {
  HostScript script;
  script.pipelining = w.rng.below(2) == 0;
  script.starttls = w.rng.below(2) == 0;
  if (w.rng.below(5) == 0) script.session = std::chrono::milliseconds(w.rng.below(600'000));
  const std::uint64_t salt = w.rng.next();
  const std::uint64_t patience = w.rng.below(4);  // of four hosts one is well behaved
  script.act = [&w, trouble, salt, patience](Point point, const std::string&, Instant now) -> Act {
    const auto hour = static_cast<std::uint64_t>(now.time_since_epoch() / 1h);
    SeededRng weather(salt ^ hour * 0x9e3779b97f4a7c15u);
    if (point == Point::connect && weather.unit() < trouble.outage)
      return {.kind = weather.below(2) == 0 ? Act::Kind::refuse : Act::Kind::hang, .text = ""};
    if (patience == 0 || w.rng.unit() >= trouble.fault) return {};
    return random_act(point, w.rng);
  };
  return script;
}

void stormy_disk(World& w) {
  w.writer_settings.batch_operations = 1 + w.rng.below(30);
  const std::uint64_t salt = w.rng.next();
  const auto weather = [&w, salt] {
    const auto slot = static_cast<std::uint64_t>(w.loop.now().time_since_epoch() / 10min);
    return SeededRng(salt ^ slot * 0x9e3779b97f4a7c15u);
  };
  w.disk = [&w, weather] {
    static constexpr Disk passing[] = {Disk::no_room_for_mail, Disk::full, Disk::unavailable};
    SeededRng rng = weather();
    if (rng.below(4) == 0) return passing[rng.below(std::size(passing))];
    if (w.rng.below(500) > 0) return Disk::well;
    return rng.below(2) == 0 ? Disk::failing : Disk::failing_late;
  };
  w.commit_time = [&w, weather]() -> Duration {
    SeededRng rng = weather();
    if (rng.below(8) > 0) return 3ms;
    return std::chrono::milliseconds(1 + w.rng.below(w.rng.below(2) == 0 ? 1000 : 300'000));
  };
}

void command(World& w, const std::vector<MessageId>& ids) {
  queue::Selection which;
  if (w.rng.below(2) == 0) which.message = ids[w.rng.below(ids.size())];
  if (w.rng.below(4) == 0) which.domain = "d" + std::to_string(w.rng.below(12)) + ".example";
  using queue::Control;
  static constexpr Control all[] = {Control::retry, Control::hold, Control::release, Control::cancel};
  Control what = all[w.rng.below(4)];
  if (what == Control::cancel && !which.message) what = Control::retry;  // leave something to deliver
  w.controlled = true;
  w.scheduler->control(what, which, [](const Result<queue::ControlResult>&) {});
}

void busy_hosts(World& w) {
  w.writer_settings.batch_operations = 1 + w.rng.below(20);
  HostScript greylisting, forgetful, down;
  greylisting.act = [](Point p, const std::string&, Instant now) {
    return p == Point::rcpt && now < Instant(2min) ? Act{.kind = Act::Kind::reply, .text = "451 later"}
                                                   : Act{};
  };
  forgetful.act = [&w](Point p, const std::string&, Instant) {
    return p == Point::final_dot && w.rng.below(4) == 0 ? Act{.kind = Act::Kind::take_and_drop, .text = ""}
                                                        : Act{};
  };
  down.act = [](Point p, const std::string&, Instant now) {
    return p == Point::connect && now < Instant(10min) ? Act{.kind = Act::Kind::refuse, .text = ""} : Act{};
  };
  w.host("d0.example", "192.0.2.1");
  w.host("d1.example", "192.0.2.2", greylisting);
  w.host("d2.example", "192.0.2.3", forgetful);
  w.host("d3.example", "192.0.2.4", down);
  w.host("d4.example", "192.0.2.5", stormy(w, {}));
}

std::vector<MessageId> busy_mail(World& w) {
  std::vector<MessageId> ids;
  for (int i = 0; i < 30; ++i) {
    std::vector<std::string> recipients;
    for (std::uint64_t r = 0; r <= w.rng.below(4); ++r)
      recipients.push_back("r" + std::to_string(r) + "@d" + std::to_string(w.rng.below(5)) + ".example");
    ids.push_back(w.submit(recipients, std::string(w.rng.below(9000), 'x') + "\r\n"));
    w.run(std::chrono::milliseconds(w.rng.below(3) * w.rng.below(60)));
    if (w.rng.below(6) == 0) command(w, ids);
  }
  return ids;
}

void finish(World& w) {
  w.controlled = true;
  do {  // a crash may take the command back
    w.scheduler->control(queue::Control::release, {}, [](const Result<queue::ControlResult>&) {});
    w.run(1s);
  } while (w.scheduler->stats().held > 0);
  CHECK(w.run_until_done(80h));
  w.check();
}

std::uint64_t times(std::uint64_t usual) {
  const char* wanted = std::getenv("RELAY_SIM_TIMES");
  return wanted ? usual * std::strtoull(wanted, nullptr, 10) : usual;
}

}  // namespace relay::sim
