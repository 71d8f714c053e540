// What was queued when the process started goes back into the queue while the loops already serve.
//
// The spool is scanned in slices, each a transaction of its own, so the scan meets mail too that is accepted
// meanwhile; some of it is delivered already and its outcome not committed yet, and to restore that would be
// to deliver it twice. Arrivals tells it apart: it stands between intake and writer and notes every message
// before the writer has it, thus before any scan can see it.
#pragma once
#include <atomic>
#include <functional>
#include <mutex>
#include <unordered_set>

#include "mta/queue/dispatcher.h"
#include "spool/store.h"
#include "spool/writer.h"

namespace relay {

// Any thread.
class Arrivals final : public spool::Writer {
 public:
  explicit Arrivals(spool::Writer& writer) : writer_(writer) {}  // which outlives it
  bool submit(spool::Operation operation, Executor& home, spool::Committed done) override;
  std::uint64_t unrecorded() const override { return writer_.unrecorded(); }
  spool::WriterState state() const override { return writer_.state(); }
  spool::WriterStats stats() const override { return writer_.stats(); }
  bool contains(const MessageId& id) const;
  void stop();  // all is restored: nothing is noted any more

 private:
  spool::Writer& writer_;
  std::atomic<bool> noting_ = true;
  mutable std::mutex mutex_;
  std::unordered_set<MessageId> ids_;  // under the mutex
};

// On a thread of its own, while the loops run, until all is in the queue or `stop` answers true. Damage met
// is logged. The recipients counted are those of before the start. Loops are given no more than they can
// take, a few batches ahead.
Result<spool::Claimed> restore(spool::Store& store, const queue::Dispatcher& dispatcher,
                               const Arrivals& arrivals, const std::function<bool()>& stop);

}  // namespace relay
