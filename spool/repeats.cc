#include "spool/repeats.h"

#include <algorithm>

#include "mta/base/log.h"

namespace relay::spool {
namespace {

constexpr std::size_t batch_operations = 1000;  // one commit; the ledger may have left many

// Fewer attempts on record than this one would have made: its outcome is not there.
bool unrecorded(const RecipientState& state, const InFlight::Attempt& attempt) {
  return !terminal(state.status) && state.attempts <= attempt.before;
}

Attempted in_doubt(const RecipientRef& ref, WallTime now) {
  Attempted operation;
  operation.ref = ref;
  operation.event.type = EventType::deferred;
  operation.event.at = now;
  operation.event.recipient = ref.index;
  operation.event.detail = "the relay stopped before this attempt's outcome was recorded";
  operation.event.in_doubt = true;
  operation.status = Status::queued;
  operation.due = now;
  return operation;
}

// Of one message's attempts, those the store knows no outcome of.
void consider(const Store& store, std::span<const InFlight::Attempt> attempts,
              std::vector<RecipientRef>& repeats) {
  const MessageId id = attempts.front().ref.message;
  const auto found = store.find(id);
  if (!found) {
    log::error("spool: message={} was being delivered when the relay stopped, and may be repeated: {}",
               id.text(), found.error().message);
    return;
  }
  if (!*found) return;  // finished and forgotten
  const auto& recipients = (*found)->recipients;
  for (const InFlight::Attempt& attempt : attempts) {
    const RecipientRef& ref = attempt.ref;
    if (ref.index >= recipients.size() || !unrecorded(recipients[ref.index], attempt)) continue;
    if (!repeats.empty() && repeats.back() == ref) continue;
    repeats.push_back(ref);
    log::warn(
        "in doubt message={} recipient={} attempt={}: the relay stopped before this attempt's outcome was "
        "recorded; the host may have the message and get it again",
        ref.message.text(), log::printable(recipients[ref.index].address),
        recipients[ref.index].attempts + 1);
  }
}

Result<void> record(Store& store, std::span<const RecipientRef> repeats, WallTime now) {
  while (!repeats.empty()) {
    const auto some = repeats.first(std::min(repeats.size(), batch_operations));
    std::vector<Operation> batch;
    for (const RecipientRef& ref : some) batch.emplace_back(in_doubt(ref, now));
    const auto applied = store.apply(batch);
    if (!applied) return std::unexpected(applied.error());
    for (const FailedOperation& failed : applied->failed)
      log::error("spool: that is not on record message={} recipient=#{}: {}",
                 some[failed.index].message.text(), some[failed.index].index, failed.error.message);
    repeats = repeats.subspan(some.size());
  }
  return {};
}

}  // namespace

std::vector<RecipientRef> record_repeats(Store& store, InFlight& ledger, WallTime now) {
  std::vector<RecipientRef> repeats;
  const std::vector<InFlight::Attempt>& left = ledger.left();
  for (auto at = left.begin(); at != left.end();) {
    const auto end =
        std::find_if(at, left.end(), [&](const auto& a) { return a.ref.message != at->ref.message; });
    consider(store, {at, end}, repeats);
    at = end;
  }
  if (!repeats.empty())
    log::warn(
        "possible repeats: {}; that many recipients' last attempts were under way when the relay stopped",
        repeats.size());
  const Result<void> recorded = record(store, repeats, now);
  if (recorded)
    ledger.forget_left();
  else
    log::warn("spool: that could not be recorded, and is left to the next start: {}",
              recorded.error().message);
  return repeats;
}

}  // namespace relay::spool
