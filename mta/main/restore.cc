#include "mta/main/restore.h"

#include <semaphore>
#include <utility>
#include <variant>
#include <vector>

#include "mta/base/log.h"

namespace relay {
namespace {

constexpr std::size_t batch_recipients = 500;                // well under a millisecond of a loop's time
constexpr std::ptrdiff_t batches_ahead = 8;                  // of all loops: what waits for them is small
constexpr auto stop_pause = std::chrono::milliseconds(100);  // between two looks at `stop`, loops being slow

class Restorer {
 public:
  Restorer(const queue::Dispatcher& dispatcher, const std::function<bool()>& stop)
      : dispatcher_(dispatcher), stop_(stop), batches_(dispatcher.shards()) {}

  bool add(spool::QueueEntry entry) {  // false: it was stopped
    const std::size_t shard = dispatcher_.shard_of(entry.domain);
    batches_[shard].push_back(std::move(entry));
    return batches_[shard].size() < batch_recipients || send(shard);
  }
  bool finish() {
    for (std::size_t shard = 0; shard < batches_.size(); ++shard)
      if (!send(shard)) return false;
    for (std::ptrdiff_t i = 0; i < batches_ahead; ++i)
      if (!acquire()) return false;
    return true;
  }

 private:
  bool send(std::size_t shard) {
    if (!acquire()) return false;
    dispatcher_.restore(shard, std::exchange(batches_[shard], {}), [ahead = ahead_] { ahead->release(); });
    batches_[shard].reserve(batch_recipients);
    return true;
  }
  bool acquire() {
    while (!ahead_->try_acquire_for(stop_pause))
      if (stop_()) return false;
    return !stop_();
  }

  using Ahead = std::counting_semaphore<batches_ahead>;
  const queue::Dispatcher& dispatcher_;
  const std::function<bool()>& stop_;
  std::vector<std::vector<spool::QueueEntry>> batches_;  // by shard
  std::shared_ptr<Ahead> ahead_ = std::make_shared<Ahead>(batches_ahead);
};

void tell(const spool::Damage& damage) {
  if (damage.message && damage.recipient)
    log::error("spool: damage: message={} recipient=#{}: {}", damage.message->text(), *damage.recipient,
               damage.what);
  else if (damage.message)
    log::error("spool: damage: message={}: {}", damage.message->text(), damage.what);
  else
    log::error("spool: damage: {}", damage.what);
}

}  // namespace

bool Arrivals::submit(spool::Operation operation, Executor& home, spool::Committed done) {
  if (noting_)
    if (const auto* accept = std::get_if<spool::Accept>(&operation)) {
      const std::lock_guard lock(mutex_);
      ids_.insert(accept->message->id);
    }
  return writer_.submit(std::move(operation), home, std::move(done));
}

bool Arrivals::contains(const MessageId& id) const {
  const std::lock_guard lock(mutex_);
  return ids_.contains(id);
}

void Arrivals::stop() {
  noting_ = false;
  const std::lock_guard lock(mutex_);
  std::unordered_set<MessageId>().swap(ids_);
}

Result<spool::Claimed> restore(spool::Store& store, const queue::Dispatcher& dispatcher,
                               const Arrivals& arrivals, const std::function<bool()>& stop) {
  std::uint64_t count = 0;
  Restorer restorer(dispatcher, stop);
  const auto hand_over = [&](spool::QueueEntry entry) {
    if (arrivals.contains(entry.ref.message)) return true;
    ++count;
    return restorer.add(std::move(entry));
  };
  auto claimed = store.claim(hand_over, tell, [&] { return !stop(); });
  restorer.finish();
  if (!claimed) return claimed;
  claimed->recipients = count;
  if (claimed->rebuilt > 0 || claimed->lost > 0)
    log::error(
        "spool: of the queue {} recipients are delivered although their record is damaged, and {} are "
        "lost to it: relayctl spool check says more, and spool export saves what can be saved",
        claimed->rebuilt, claimed->lost);
  return claimed;
}

}  // namespace relay
