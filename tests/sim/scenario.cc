#include "tests/sim/scenario.h"

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

std::uint64_t times(std::uint64_t usual) {
  const char* wanted = std::getenv("RELAY_SIM_TIMES");
  return wanted ? usual * std::strtoull(wanted, nullptr, 10) : usual;
}

}  // namespace relay::sim
