#include "spool/writer.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "mta/base/log.h"

namespace relay::spool {
namespace {

// Who is told about an operation, and what it holds of the queue's bound meanwhile.
struct Waiter {
  Executor* home;
  Committed done;
  std::size_t bytes;
};

struct Pending {
  Operation operation;
  Waiter waiter;
};

bool is_outcome(const Operation& operation) {
  return std::holds_alternative<Attempted>(operation) || std::holds_alternative<SetStatus>(operation);
}

// What an operation takes in memory and in a commit, roughly.
std::size_t cost(const Operation& operation) {
  constexpr std::size_t flat = 512;
  constexpr std::size_t per_recipient = 128;
  const auto* accept = std::get_if<Accept>(&operation);
  if (accept == nullptr) return flat;
  const Message& message = *accept->message;
  return flat + per_recipient * message.envelope.recipients.size() +
         (message.body ? static_cast<std::size_t>(message.body->size()) : 0);
}

// The completions of a batch, by executor and in order of submission.
class Completions {
 public:
  void add(Waiter& waiter, const Result<void>& result) {
    bytes_ += waiter.bytes;
    if (waiter.done) group(waiter.home).push_back({std::move(waiter.done), result});
  }
  std::size_t bytes() const { return bytes_; }
  void post() {
    for (auto& [home, calls] : groups_)
      home->post([these = std::move(calls)]() mutable {
        for (auto& call : these) call.done(call.result);
      });
  }

 private:
  struct Call {
    Committed done;
    Result<void> result;
  };
  std::vector<Call>& group(Executor* home) {  // a handful: one for each loop
    for (auto& [known, calls] : groups_)
      if (known == home) return calls;
    return groups_.emplace_back(home, std::vector<Call>{}).second;
  }
  std::vector<std::pair<Executor*, std::vector<Call>>> groups_;
  std::size_t bytes_ = 0;
};

}  // namespace

struct ThreadWriter::Impl {
  Impl(Store& to, const WriterSettings& with, InFlight* beside) : store(to), settings(with), ledger(beside) {}

  bool submit(Operation operation, Executor& home, Committed done);
  void run();
  bool gather();
  void cut_batch();
  void commit_batch();
  void commit_outcomes(const Error& full);
  Result<void> apply(const std::vector<Operation>& some);
  void note_stored(const std::vector<Operation>& some);
  void put_back(std::vector<Pending> outcomes);
  void finish(Completions& completions);

  Store& store;
  const WriterSettings settings;
  InFlight* const ledger;  // may be null

  mutable std::mutex mutex;
  std::condition_variable changed;
  // Under the mutex:
  std::deque<Pending> queue;  // submitted, not yet taken by the thread
  std::size_t bytes = 0;      // of everything that is not completed
  bool awaited = false;       // somebody waits for something in `queue`
  bool stopping = false;
  WriterStats totals;

  // The thread's own:
  std::deque<Pending> backlog;        // taken, in front of `queue`
  std::vector<Operation> operations;  // the batch, and
  std::vector<Waiter> waiters;        // who waits for each of it
  std::vector<Ticket> settled;        // of outcomes just stored
  bool stuck = false;                 // even the outcomes found no room; they are in front of `backlog`
  Result<void> final_error;           // once set, nothing is stored any more

  std::thread thread;
};

ThreadWriter::ThreadWriter(Store& store, WriterSettings settings, InFlight* ledger)
    : impl_(std::make_unique<Impl>(store, settings, ledger)) {
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

ThreadWriter::~ThreadWriter() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->changed.notify_one();
  impl_->thread.join();
}

bool ThreadWriter::submit(Operation operation, Executor& home, Committed done) {
  return impl_->submit(std::move(operation), home, std::move(done));
}

WriterStats ThreadWriter::stats() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->totals;
}

bool ThreadWriter::Impl::submit(Operation operation, Executor& home, Committed done) {
  const std::size_t size = cost(operation);
  const bool refusable = !is_outcome(operation);
  const bool waits = static_cast<bool>(done);
  bool wake = false;
  {
    const std::lock_guard lock(mutex);
    if (refusable && bytes + size > settings.queue_bytes) return false;
    bytes += size;
    queue.push_back({std::move(operation), {&home, std::move(done), size}});
    wake = queue.size() == 1 || (waits && !awaited) || queue.size() == settings.batch_operations;
    awaited = awaited || waits;
  }
  if (wake) changed.notify_one();
  return true;
}

void ThreadWriter::Impl::run() {
  while (gather()) {
    cut_batch();
    commit_batch();
  }
}

// Waits for work and takes all there is. False: stopping, and everything is done.
bool ThreadWriter::Impl::gather() {
  std::unique_lock lock(mutex);
  if (stuck) {
    changed.wait_for(lock, settings.full_pause, [this] { return stopping; });
  } else if (backlog.empty()) {
    changed.wait(lock, [this] { return stopping || !queue.empty(); });
    // Nobody waits for these: let others come and share the commit.
    changed.wait_for(lock, settings.linger,
                     [this] { return stopping || awaited || queue.size() >= settings.batch_operations; });
  }
  if (backlog.empty())
    backlog.swap(queue);
  else
    while (!queue.empty()) {
      backlog.push_back(std::move(queue.front()));
      queue.pop_front();
    }
  awaited = false;
  return !backlog.empty();
}

void ThreadWriter::Impl::cut_batch() {
  operations.clear();
  waiters.clear();
  std::size_t size = 0;
  while (!backlog.empty() && operations.size() < settings.batch_operations) {
    Pending& next = backlog.front();
    if (!operations.empty() && size + next.waiter.bytes > settings.batch_bytes) break;
    size += next.waiter.bytes;
    operations.push_back(std::move(next.operation));
    waiters.push_back(std::move(next.waiter));
    backlog.pop_front();
  }
}

Result<void> ThreadWriter::Impl::apply(const std::vector<Operation>& some) {
  if (!final_error) return final_error;
  const auto applied = store.apply(some);
  const bool final = !applied && applied.error().code != Errc::full;
  {
    const std::lock_guard lock(mutex);
    if (applied) {
      ++totals.commits;
      totals.operations += some.size();
      totals.stale += applied->stale;
    }
    totals.failed = final;
  }
  if (applied) {
    note_stored(some);
    return {};
  }
  if (!final) return std::unexpected(applied.error());
  log::error("spool: stopped for good, nothing is accepted any more: {}", applied.error().message);
  final_error = std::unexpected(applied.error());
  return final_error;
}

// These attempts are on record: a crash repeats them no more.
void ThreadWriter::Impl::note_stored(const std::vector<Operation>& some) {
  for (const Operation& operation : some)
    if (const auto* outcome = std::get_if<Attempted>(&operation); outcome && outcome->ticket != 0)
      settled.push_back(outcome->ticket);
}

void ThreadWriter::Impl::commit_batch() {
  const Result<void> result = apply(operations);
  if (!result && result.error().code == Errc::full) return commit_outcomes(result.error());
  stuck = false;
  Completions completions;
  for (auto& waiter : waiters) completions.add(waiter, result);
  finish(completions);
}

// The store had no room for the whole batch. New mail is refused; what has happened to old mail is recorded
// on its own, and if even that finds no room it is kept and tried again, unless the writer is to stop.
void ThreadWriter::Impl::commit_outcomes(const Error& full) {
  std::vector<Operation> outcomes;
  std::vector<bool> kept(operations.size());
  for (std::size_t i = 0; i < operations.size(); ++i) {
    kept[i] = is_outcome(operations[i]);
    if (kept[i]) outcomes.push_back(std::move(operations[i]));
  }
  const Result<void> refused = std::unexpected(full);
  Result<void> result;
  if (outcomes.size() == operations.size())
    result = refused;
  else if (!outcomes.empty())
    result = apply(outcomes);
  const bool no_room = !result && result.error().code == Errc::full;
  if (no_room && !stuck) log::warn("spool: outcomes wait for room: {}", full.message);
  stuck = false;
  if (no_room) {
    const std::lock_guard lock(mutex);
    stuck = !stopping;
  }
  Completions completions;
  std::vector<Pending> waiting;
  std::size_t next = 0;
  for (std::size_t i = 0; i < waiters.size(); ++i) {
    if (kept[i] && stuck)
      waiting.push_back({std::move(outcomes[next++]), std::move(waiters[i])});
    else
      completions.add(waiters[i], kept[i] ? result : refused);
  }
  put_back(std::move(waiting));
  finish(completions);
}

void ThreadWriter::Impl::put_back(std::vector<Pending> outcomes) {
  for (std::size_t i = outcomes.size(); i-- > 0;) backlog.push_front(std::move(outcomes[i]));
}

void ThreadWriter::Impl::finish(Completions& completions) {
  operations.clear();  // frees the bodies nobody else holds, before their bytes are given back
  waiters.clear();
  {
    const std::lock_guard lock(mutex);
    bytes -= completions.bytes();
  }
  completions.post();
  // The ledger last: nobody waits for it.
  if (ledger != nullptr && !settled.empty()) ledger->settle(settled);
  settled.clear();
}

}  // namespace relay::spool
