// Shaper: how fast one site is sent to, learnt from its answers. A refusal that means "too much" stops the
// site for as long as the host asks for, or some seconds, doubled while nothing goes well in between; then it
// is sent to at half the rate it had, growing by steady small steps (additive increase, multiplicative
// decrease), until it has done well at twice that rate for a while and the limit is forgotten.
//
// Plain data of the scheduler: told of the time, no timers. One thread.
#pragma once
#include <cstdint>
#include <string>

#include "mta/base/clock.h"
#include "mta/queue/classify.h"

namespace relay::queue {

struct ShapingSettings {
  Duration first_pause = std::chrono::seconds(30);  // when the host does not say for how long
  Duration longest_pause = std::chrono::hours(1);   // it doubles each time, up to here
  // Transactions a second: a site is never slower than that, so that it is seen when it is well again.
  double slowest = 0.0167;  // one a minute
  // In which the rate grows by as much as was refused: from half of it back to it in half of this, and then
  // on to twice as much.
  Duration recovery = std::chrono::minutes(5);
  Duration forgotten = std::chrono::minutes(10);  // without a refusal: then the limit may go
};

class Shaper {
 public:
  // When the next transaction may begin; not later than `now` if it may at once.
  Instant next() const;
  void begun(Instant now);
  // A transaction that began at `began`.
  void went_well(Instant began, Instant now, const ShapingSettings& settings);

  struct Reason {
    Cause cause = Cause::other;
    Scope scope = Scope::site;
    std::string reply;
  };
  // A transaction that began at `began` was refused so. Several that were under way together count as one.
  // `asked`: the pause that the host wants; zero if it does not say. Answers whether anything changed.
  bool slow_down(Instant began, Instant now, Reason reason, Duration asked, const ShapingSettings& settings);

  bool limited() const { return rate_ > 0; }
  double rate() const { return rate_; }  // transactions a second; 0: no limit
  Instant paused_until() const { return paused_until_; }
  Instant slowed_at() const { return slowed_at_; }
  std::uint32_t times() const { return times_; }
  const Reason& reason() const { return reason_; }

 private:
  double measured(Instant now) const;

  double rate_ = 0, slowed_rate_ = 0;
  Instant last_ = Instant::min();  // transaction begun
  Instant paused_until_ = Instant::min(), slowed_at_ = Instant::min();
  std::uint32_t times_ = 0;  // since something went well
  Reason reason_;
  // What it is sent, unlimited.
  Instant counted_from_ = Instant::min();
  std::uint32_t counted_ = 0;
  double before_ = 0;  // of the interval before
};

}  // namespace relay::queue
