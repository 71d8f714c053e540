#include "spool/committer.h"

#include <iterator>
#include <variant>

#include "mta/base/log.h"

namespace relay::spool {
namespace {

// The store may take it later; see Store::apply.
bool may_pass(const Error& error) { return error.code == Errc::full || error.code == Errc::unavailable; }

}  // namespace

bool is_outcome(const Operation& operation) {
  return std::holds_alternative<Attempted>(operation) || std::holds_alternative<SetStatus>(operation);
}

std::size_t cost(const Operation& operation) {
  constexpr std::size_t flat = 512;
  constexpr std::size_t per_recipient = 128;
  const Message* message = new_message(operation);
  if (message == nullptr) return flat;
  return flat + per_recipient * message->envelope.recipients.size() +
         (message->body ? static_cast<std::size_t>(message->body->size()) : 0);
}

// ---- completions ----

void Completions::add(Waiter& waiter, const Result<void>& result) {
  bytes_ += waiter.bytes;
  if (waiter.done) group(waiter.home).push_back({std::move(waiter.done), result});
}

// An attempt on record: a crash repeats it no more.
void Completions::add_settled(const Operation& stored) {
  if (const auto* outcome = std::get_if<Attempted>(&stored); outcome && outcome->ticket != 0)
    settled_.push_back(outcome->ticket);
}

std::vector<Completions::Call>& Completions::group(Executor* home) {  // a handful: one for each loop
  for (auto& [known, calls] : groups_)
    if (known == home) return calls;
  return groups_.emplace_back(home, std::vector<Call>{}).second;
}

void Completions::post(InFlight* ledger) {
  for (auto& [home, calls] : groups_)
    home->post([these = std::move(calls)]() mutable {
      for (auto& call : these) call.done(call.result);
    });
  if (ledger != nullptr && !settled_.empty()) ledger->settle(settled_);
}

// ---- commits ----

void Committer::take(std::deque<Submitted>& submitted) {
  if (backlog_.empty()) return backlog_.swap(submitted);
  std::ranges::move(submitted, std::back_inserter(backlog_));
  submitted.clear();
}

Committer::Batch Committer::cut() {
  Batch batch;
  std::size_t size = 0;
  while (!backlog_.empty() && batch.operations.size() < settings_.batch_operations) {
    Submitted& next = backlog_.front();
    if (!batch.operations.empty() && size + next.waiter.bytes > settings_.batch_bytes) break;
    size += next.waiter.bytes;
    batch.operations.push_back(std::move(next.operation));
    batch.waiters.push_back(std::move(next.waiter));
    backlog_.pop_front();
  }
  return batch;
}

// The operations are gone when this returns, and with them the bodies nobody else holds.
Completions Committer::commit(bool last) {
  Completions completions;
  Batch batch = cut();
  const Result<void> result = apply(batch.operations, completions);
  if (!result && may_pass(result.error())) {
    not_now(std::move(batch), result.error(), last, completions);
  } else {
    stuck_ = false;
    for (Waiter& waiter : batch.waiters) completions.add(waiter, result);
  }
  return completions;
}

Result<void> Committer::apply(std::span<const Operation> some, Completions& completions) {
  if (!final_error_) return final_error_;
  const auto applied = store_.apply(some);
  if (applied) {
    ++stats_.commits;
    stats_.operations += some.size();
    stats_.stale += applied->stale;
    for (const Operation& operation : some) completions.add_settled(operation);
    return {};
  }
  if (may_pass(applied.error())) return std::unexpected(applied.error());
  log::error("spool: stopped for good, nothing is accepted any more: {}", applied.error().message);
  stats_.failed = true;
  final_error_ = std::unexpected(applied.error());
  return final_error_;
}

// New mail is refused; what has happened to old mail is recorded on its own, and if even that finds no room
// it is kept, in front of all else.
void Committer::not_now(Batch batch, const Error& why, bool last, Completions& completions) {
  std::vector<Operation> outcomes;
  std::vector<bool> kept(batch.operations.size());
  for (std::size_t i = 0; i < kept.size(); ++i) {
    kept[i] = is_outcome(batch.operations[i]);
    if (kept[i]) outcomes.push_back(std::move(batch.operations[i]));
  }
  const Result<void> refused = std::unexpected(why);
  Result<void> result;
  if (outcomes.size() == kept.size())
    result = refused;
  else if (!outcomes.empty())
    result = apply(outcomes, completions);
  const bool kept_out = !result && may_pass(result.error());
  if (kept_out && !stuck_) log::warn("spool: outcomes wait: {}", result.error().message);
  stuck_ = kept_out && !last;
  std::vector<Submitted> waiting;
  std::size_t next = 0;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (kept[i] && stuck_)
      waiting.push_back({std::move(outcomes[next++]), std::move(batch.waiters[i])});
    else
      completions.add(batch.waiters[i], kept[i] ? result : refused);
  }
  if (!stuck_) return;
  refuse_what_waits(refused, completions);
  backlog_.insert(backlog_.begin(), std::move_iterator(waiting.begin()), std::move_iterator(waiting.end()));
}

// New mail behind outcomes that find no room would wait for nothing.
void Committer::refuse_what_waits(const Result<void>& refused, Completions& completions) {
  std::deque<Submitted> outcomes;
  for (Submitted& each : backlog_)
    if (is_outcome(each.operation))
      outcomes.push_back(std::move(each));
    else
      completions.add(each.waiter, refused);
  backlog_ = std::move(outcomes);
}

}  // namespace relay::spool
