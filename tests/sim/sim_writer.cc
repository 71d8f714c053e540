#include "tests/sim/sim_writer.h"

#include <utility>

namespace relay::sim {

bool SimWriter::submit(spool::Operation operation, Executor& home, spool::Committed done) {
  const std::size_t size = spool::cost(operation);
  if (!spool::is_outcome(operation) && bytes_ + size > settings_.queue_bytes) return false;
  bytes_ += size;
  if (spool::is_attempt(operation)) ++unrecorded_;
  awaited_ |= static_cast<bool>(done);
  queue_.push_back({std::move(operation), {&home, std::move(done), size}});
  arm();
  return true;
}

void SimWriter::arm() {
  if (busy_ || quiet()) return;
  Instant when = loop_.now();
  if (committer_.stuck())
    when += settings_.full_pause;
  else if (committer_.idle() && !awaited_ && queue_.size() < settings_.batch_operations)
    when += settings_.linger;
  if (when >= begin_at_) return;
  loop_.cancel(timer_);
  begin_at_ = when;
  timer_ = loop_.at(when, [this] { begin(); });
}

void SimWriter::begin() {
  begin_at_ = never;
  busy_ = true;
  awaited_ = false;
  committer_.take(queue_);
  timer_ = loop_.at(loop_.now() + commit_time(), [this] { end(); });
}

void SimWriter::end() {
  spool::Completions completions = committer_.commit(false);
  if (crashed()) return;  // nobody is told
  busy_ = false;
  bytes_ -= completions.bytes();
  unrecorded_ -= completions.recorded();
  completions.post(ledger_);
  keep_probing();
  arm();
}

void SimWriter::keep_probing() {
  if (!committer_.refusing() || std::exchange(probing_, true)) return;
  probe_timer_ = loop_.after(settings_.full_pause, [this] {
    probing_ = false;
    if (!busy_) committer_.probe();
    keep_probing();
  });
}

spool::WriterStats SimWriter::stats() const {
  spool::WriterStats stats = committer_.stats();
  stats.unrecorded = unrecorded_;
  stats.waiting_bytes = bytes_;
  return stats;
}

void SimWriter::finish() {
  loop_.cancel(timer_);
  loop_.cancel(probe_timer_);
  committer_.take(queue_);
  while (!committer_.idle() && !crashed()) {
    spool::Completions completions = committer_.commit(true);
    unrecorded_ -= completions.recorded();
    if (!crashed()) completions.post(ledger_);
  }
  busy_ = true;  // begins nothing any more
}

}  // namespace relay::sim
