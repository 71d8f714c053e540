#include "spool/committer.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <variant>

#include "mta/base/log.h"

namespace relay::spool {
namespace {

// What became of one operation of a batch.
Result<void> result_of(const Result<std::vector<FailedOperation>>& stored, std::size_t index) {
  if (!stored) return std::unexpected(stored.error());
  const auto found = std::ranges::lower_bound(*stored, index, {}, &FailedOperation::index);
  if (found == stored->end() || found->index != index) return {};
  return std::unexpected(found->error);
}

constexpr std::uint64_t most_wanted = 16u << 20;  // room for some batches like the one that was refused

std::string concern(const Operation& operation) {
  if (const Message* message = new_message(operation)) return fmt::format("message={}", message->id.text());
  if (const auto* change = std::get_if<SetStatus>(&operation))
    return fmt::format("message={} recipient=#{} {}", change->ref.message.text(), change->ref.index,
                       text(change->status));
  return std::holds_alternative<PutKey>(operation) ? "a key" : "a purge";
}

}  // namespace

std::string_view text(WriterState state) {
  switch (state) {
    case WriterState::accepting: return "accepting";
    case WriterState::busy: return "busy";
    case WriterState::full: return "full";
    case WriterState::unavailable: return "unavailable";
    case WriterState::damaged: return "damaged";
    case WriterState::failed: return "failed";
  }
  return "unknown";
}

void log_lost(const RecipientRef& ref, Status outcome, std::string_view why) {
  log::error(
      "spool: outcome not recorded, so this recipient may be tried again after a restart: message={} "
      "recipient=#{} outcome={}: {}",
      ref.message.text(), ref.index, text(outcome), why);
}

bool is_outcome(const Operation& operation) {
  return std::holds_alternative<Attempted>(operation) || std::holds_alternative<SetStatus>(operation);
}

bool is_attempt(const Operation& operation) { return std::holds_alternative<Attempted>(operation); }

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

// A crash repeats this attempt no more; one that damage keeps from the store waits no more, but may be.
void Completions::add_recorded(const Operation& stored, bool settled) {
  const auto* outcome = std::get_if<Attempted>(&stored);
  if (outcome == nullptr) return;
  ++recorded_;
  if (settled && outcome->ticket != 0) settled_.push_back(outcome->ticket);
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

Committer::Committer(Store& store, const WriterSettings& settings)
    : store_(store), settings_(settings), wanted_bytes_(least_room) {}

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
  const Stored stored = apply(batch.operations, completions);
  if (!stored && may_pass(stored.error())) {
    not_now(std::move(batch), stored.error(), last, completions);
    return completions;
  }
  stuck_ = false;
  for (std::size_t i = 0; i < batch.waiters.size(); ++i)
    completions.add(batch.waiters[i], result_of(stored, i));
  return completions;
}

Committer::Stored Committer::apply(std::span<const Operation> some, Completions& completions) {
  if (final_error_) {
    auto applied = store_.apply(some);
    if (applied) {
      count(*applied, some, completions);
      return std::move(applied->failed);
    }
    not_taken(applied.error(), !may_pass(applied.error()));
    if (may_pass(applied.error())) return std::unexpected(applied.error());
    final_error_ = std::unexpected(applied.error());
  }
  lose(some, final_error_.error());
  return std::unexpected(final_error_.error());
}

void Committer::count(const Applied& applied, std::span<const Operation> stored, Completions& completions) {
  ++stats_.commits;
  stats_.operations += stored.size();
  stats_.stale += applied.stale;
  unsynced_ = true;
  count_damage(applied, stored, completions);
}

// Those that failed for damage are named. Where one of them is new mail there may be no place for any.
void Committer::count_damage(const Applied& applied, std::span<const Operation> batch,
                             Completions& completions) {
  stats_.damaged += applied.failed.size();
  auto failed = applied.failed.begin();
  bool mail_stored = false, mail_failed = false;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const bool damaged = failed != applied.failed.end() && failed->index == i;
    completions.add_recorded(batch[i], !damaged);
    if (new_message(batch[i]) != nullptr) (damaged ? mail_failed : mail_stored) = true;
    if (!damaged) continue;
    const Error& why = (failed++)->error;
    if (const auto* outcome = std::get_if<Attempted>(&batch[i]))
      log_lost(outcome->ref, outcome->status, why.message);
    else
      log::error("spool: {} is not stored: {}", concern(batch[i]), why.message);
  }
  taken(mail_stored);
  if (mail_failed && stats_.state == WriterState::accepting) heed(store_.probe(wanted_bytes_));
}

// New mail is refused; what has happened to old mail is recorded on its own, and if even that finds no room
// it is kept, in front of all else.
void Committer::not_now(Batch batch, const Error& why, bool last, Completions& completions) {
  std::vector<Operation> outcomes;
  std::vector<bool> kept(batch.operations.size());
  std::uint64_t refused_bytes = 0;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    kept[i] = is_outcome(batch.operations[i]);
    if (!kept[i]) refused_bytes += batch.waiters[i].bytes;
    if (kept[i]) outcomes.push_back(std::move(batch.operations[i]));
  }
  wanted_bytes_ = std::clamp(2 * refused_bytes, wanted_bytes_, most_wanted);
  const Result<void> refused = std::unexpected(why);
  Stored stored = std::unexpected(why);
  if (!outcomes.empty() && outcomes.size() < kept.size()) stored = apply(outcomes, completions);
  const bool kept_out = !outcomes.empty() && !stored && may_pass(stored.error());
  if (kept_out && !stuck_) log::warn("spool: outcomes wait: {}", stored.error().message);
  stuck_ = kept_out && !last;
  if (kept_out && last) lose(outcomes, stored.error());
  std::vector<Submitted> waiting;
  std::size_t next = 0;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (!kept[i])
      completions.add(batch.waiters[i], refused);
    else if (stuck_)
      waiting.push_back({std::move(outcomes[next++]), std::move(batch.waiters[i])});
    else
      completions.add(batch.waiters[i], result_of(stored, next++));
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

// ---- the store's state ----

// That outcomes are taken says that the disk can be written, not that there is room or a place for more.
void Committer::taken(bool new_mail) {
  if (stats_.state == WriterState::accepting) return;
  if (stats_.state != WriterState::unavailable && !new_mail) return;
  wanted_bytes_ = least_room;
  log::info("spool: new mail is taken again");
  stats_.state = WriterState::accepting;
  stats_.reason.clear();
}

void Committer::not_taken(const Error& error, bool final) {
  const WriterState before = stats_.state;
  ++stats_.refusals;
  stats_.reason = error.message;
  if (!final && error.code == Errc::corrupt) {
    stats_.state = WriterState::damaged;
    if (before != stats_.state)
      log::error(
          "spool: no new mail can be taken, as the place where it goes is damaged; deliveries go on; "
          "repair the spool by relayctl spool export and import: {}",
          error.message);
  } else if (!final) {
    stats_.state = error.code == Errc::full ? WriterState::full : WriterState::unavailable;
    if (before != stats_.state) log::warn("spool: new mail is refused for now: {}", error.message);
  } else {
    stats_.state = WriterState::failed;
    log::error(
        "spool: failed for good, nothing is stored any more and new mail is refused; deliveries go on for a "
        "while, and after a restart may be repeated: check the disk, then restart relayd: {}",
        error.message);
  }
}

void Committer::probe() {
  if (refusing()) heed(store_.probe(wanted_bytes_));
}

void Committer::heed(const Result<void>& probed) {
  if (probed) return taken(true);
  wanted_bytes_ = std::max(wanted_bytes_ / 2, least_room);  // a small spool may never have so much
  const bool final = !may_pass(probed.error()) && probed.error().code != Errc::corrupt;
  not_taken(probed.error(), final);
  if (final) final_error_ = probed;
}

void Committer::sync() {
  if (!unsynced_ || !final_error_) return;
  unsynced_ = false;
  const auto synced = store_.sync();
  if (synced) return;
  not_taken(synced.error(), true);
  final_error_ = synced;
}

// Of all but an attempt the one who asked for it is told.
void Committer::lose(std::span<const Operation> operations, const Error& why) {
  for (const Operation& operation : operations) {
    const auto* outcome = std::get_if<Attempted>(&operation);
    if (outcome == nullptr) continue;
    ++stats_.lost;
    log_lost(outcome->ref, outcome->status, why.message);
  }
}

}  // namespace relay::spool
