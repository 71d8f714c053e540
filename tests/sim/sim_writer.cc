#include "tests/sim/sim_writer.h"

#include <algorithm>
#include <array>
#include <utility>

namespace relay::sim {

bool SimWriter::submit(spool::Operation operation, Executor& home, spool::Committed done) {
  awaited_ |= static_cast<bool>(done);
  operations_.push_back(std::move(operation));
  waiters_.push_back({&home, std::move(done)});
  arm();
  return true;
}

void SimWriter::arm() {
  const Instant when = std::max(busy_until_, loop_.now() + (awaited_ ? Duration{} : linger)) + latency;
  if (when >= commit_at_) return;
  loop_.cancel(timer_);
  commit_at_ = when;
  timer_ = loop_.at(when, [this] { commit(); });
}

void SimWriter::commit() {
  commit_at_ = never;
  busy_until_ = loop_.now();
  awaited_ = false;
  const auto operations = std::exchange(operations_, {});
  auto waiters = std::exchange(waiters_, {});
  const Crash crash = crash_at ? crash_at(commits_ + 1) : Crash::none;
  crashed_ = crash != Crash::none;
  if (crash == Crash::before_commit) return;
  Result<void> result;
  if (failed_) {
    result = fail(Errc::system, "the disk is gone");
  } else {
    const auto applied = store_.apply(operations);
    RELAY_ASSERT(applied.has_value());
    stale_ += applied->stale;
    ++commits_;
  }
  if (crash == Crash::after_commit) return;
  if (in_flight != nullptr && result) settle(operations);
  for (Waiter& waiter : waiters)
    if (waiter.done) waiter.home->post([done = std::move(waiter.done), result]() mutable { done(result); });
}

void SimWriter::settle(const std::vector<spool::Operation>& stored) {
  for (const spool::Operation& operation : stored)
    if (const auto* outcome = std::get_if<spool::Attempted>(&operation))
      in_flight->settle(std::array{outcome->ticket});
}

}  // namespace relay::sim
