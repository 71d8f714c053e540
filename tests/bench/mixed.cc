#include "tests/bench/mixed.h"

#include <cmath>
#include <future>
#include <memory>
#include <queue>
#include <vector>

#include "spool/writer.h"
#include "tests/bench/mail.h"
#include "tests/bench/watch.h"

namespace relay::bench {

using namespace relay::spool;

namespace {

constexpr std::chrono::milliseconds between{20};  // two messages, by the ids' clock
constexpr std::size_t kinds = 4096;               // different bodies, made once

std::uint64_t mixed_bytes(Rng& rng) {
  struct Class {
    double share, from, to;  // KiB
  };
  constexpr Class classes[] = {
      {0.70, 1, 8}, {0.20, 8, 64}, {0.08, 64, 512}, {0.019, 512, 4096}, {0.001, 4096, 10240}};
  double at = rng.unit();
  for (const auto& c : classes) {
    if (at < c.share)  // uniform in the logarithm
      return static_cast<std::uint64_t>(1024 * c.from * std::pow(c.to / c.from, at / c.share));
    at -= c.share;
  }
  return 1024;
}

std::size_t mixed_recipients(Rng& rng) {
  const double at = rng.unit();
  if (at < 0.85) return 1;
  return static_cast<std::size_t>(at < 0.95 ? 2 + rng.below(4) : 5 + rng.below(46));
}

// What is to happen to a recipient when so many messages have been accepted.
struct Due {
  std::uint64_t at;
  RecipientRef ref;
  std::uint32_t deferrals;  // before it is delivered
  std::uint64_t step;       // between them
  friend bool operator>(const Due& a, const Due& b) { return a.at > b.at; }
};

// All but the constructor runs on `home`.
class Life {
 public:
  Life(Writer& writer, Runner& home, Live& live, const MixedSettings& settings)
      : writer_(writer), home_(home), live_(live), settings_(settings), rng_(settings.seed), source_(0) {
    for (std::size_t i = 0; i < kinds; ++i) bodies_.push_back(mixed_body(rng_));
  }
  void start() {
    for (std::size_t i = 0; i < settings_.waiting; ++i) one();
  }
  void wait() { ended_.get_future().wait(); }

 private:
  WallTime time_of(std::uint64_t number) const { return began_ + between * number; }

  void one() {
    MessagePtr m = source_.make(time_of(submitted_++), bodies_[rng_.below(kinds)], mixed_recipients(rng_));
    const WallTime due = m->accepted;
    if (!writer_.submit(Accept{m, due}, home_, [this, m](const Result<void>& r) { acknowledged(m, r); }))
      stop("the writer's queue is full");
  }

  void acknowledged(const MessagePtr& m, const Result<void>& result) {
    must(Result<void>(result));
    ++accepted_;
    const auto recipients = static_cast<std::uint32_t>(m->envelope.recipients.size());
    live_.opened(m->id, recipients, m->size);
    for (std::uint32_t i = 0; i < recipients; ++i) plan({m->id, i});
    while (!due_.empty() && due_.top().at <= accepted_) next_attempt();
    if (accepted_ % 50 == 0 && accepted_ > settings_.retention)
      submit(Purge{.before = time_of(accepted_ - settings_.retention), .at_most = 200});
    if (submitted_ < settings_.messages)
      one();
    else if (accepted_ == submitted_)
      ended_.set_value();
  }

  void plan(const RecipientRef& ref) {
    constexpr std::uint64_t soon = 200;  // a delivery takes a while, too
    Due due{accepted_ + rng_.below(soon), ref, 0, 0};
    if (rng_.unit() < settings_.deferred) {
      due.deferrals = 1 + static_cast<std::uint32_t>(rng_.below(8));
      const double life = -settings_.life * std::log(1 - rng_.unit());
      due.step = 1 + static_cast<std::uint64_t>(life / due.deferrals);
    }
    due_.push(due);
  }

  void next_attempt() {
    Due due = due_.top();
    due_.pop();
    const WallTime now = time_of(accepted_);
    if (due.deferrals == 0) {
      submit(delivered(due.ref, now));
      live_.closed(due.ref.message);
      return;
    }
    submit(deferred(due.ref, now));
    --due.deferrals;
    due.at = accepted_ + due.step;
    due_.push(due);
  }

  void submit(Operation operation) {
    if (!writer_.submit(std::move(operation), home_, {})) stop("an outcome was refused");
  }

  Writer& writer_;
  Runner& home_;
  Live& live_;
  const MixedSettings settings_;
  SeededRng rng_;
  MailSource source_;
  const WallTime began_ = system_wall();
  std::vector<BodyPtr> bodies_;
  std::uint64_t submitted_ = 0, accepted_ = 0;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::promise<void> ended_;
};

}  // namespace

BodyPtr mixed_body(Rng& rng) { return std::make_shared<const Body>(std::string(mixed_bytes(rng), 'x')); }

void mixed_run(const Place& place, const MixedSettings& settings) {
  empty(place);
  const std::string directory = place.directory + "/spool";
  const auto store = must(open_lmdb({.directory = directory, .durability = settings.durability}));
  Live live;
  Watch watch(*store, live, directory, place.directory + "/probe", settings.messages / settings.intervals);
  {
    std::unique_ptr<Life> life;  // outlives the thread that is in it
    Runner home;
    ThreadWriter writer(watch, {});
    life = std::make_unique<Life>(writer, home, live, settings);
    home.post([&] { life->start(); });
    life->wait();
  }
  watch.summary();
}

}  // namespace relay::bench
