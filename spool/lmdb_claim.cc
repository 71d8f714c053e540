// LmdbStore::claim: the queue at the start of a process, all of it that can be had.
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "spool/lmdb_message.h"
#include "spool/lmdb_store.h"
#include "spool/page_rows.h"

namespace relay::spool {
namespace {

constexpr std::size_t queue_key_bytes = 20;

// Keys of the queue whose rows are lost with a page, and how far the messages that may have had them have
// been looked through.
struct Search {
  DamagedPage gap;
  std::string from;  // in messages
};

// What is known of the queue across slices.
struct ClaimProgress {
  Claimed claimed;
  std::deque<Search> searches;
  std::uint64_t rows = 0;      // met, whole or damaged
  std::set<PageNumber> pages;  // damaged ones that have been told
  // No row of theirs has been met, as it lay on a page that is lost: open by their events, or perhaps so.
  std::map<RecipientRef, QueueEntry> missing;
  std::set<RecipientRef> unsure;
  bool doubtful = false;            // see doubtful_row
  std::vector<QueueEntry> entries;  // of the slice
  std::vector<Damage> damage;       // of the slice
};

// One slice, in one transaction.
class Slice {
 public:
  Slice(const Txn& txn, ClaimProgress& progress)
      : progress_(progress),
        queue_(txn, Table::queue),
        messages_(txn, Table::messages),
        rest_(txn, Table::rest),
        events_(txn, Table::events) {}

  // From the first row at or after `from`. Answers the key to go on with, or nothing at the end.
  std::optional<std::string> run(const std::string& from) {
    std::size_t seen = 0;
    from_ = from;
    for (auto found = queue_.seek_from(from);; found = queue_.next()) {
      if (!found) gaps(found.error());
      // First, as a page that is damaged may show some of its rows all the same.
      if (!progress_.searches.empty() && queue_.valid()) return std::string(queue_.key());
      if (found ? !*found : !queue_.valid()) return std::nullopt;
      if (seen++ == slice_rows) return std::string(queue_.key());
      row();
    }
  }

  // Whose rows the first of the gaps has had: the messages and their events say.
  void search() {
    Search& search = progress_.searches.front();
    std::size_t seen = 0;
    for (auto found = messages_.seek_from(search.from);; found = messages_.next()) {
      if (!found) progress_.damage.push_back({found.error().message});
      const bool over = (found ? !*found : !messages_.valid()) ||
                        (!search.gap.end.empty() && messages_.key() >= search.gap.end);
      if (over) return progress_.searches.pop_front();
      search.from = messages_.key();
      if (seen >= slice_rows) return;
      seen += 1 + missing_of(message_of(messages_.key()), search.gap);
    }
  }

 private:
  void row() {
    ++progress_.rows;
    if (queue_.key().size() != queue_key_bytes) {
      ++progress_.claimed.lost;
      progress_.damage.push_back({"the spool's queue has a row whose key is damaged"});
      return;
    }
    const RecipientRef ref = recipient_of(queue_.key());
    progress_.missing.erase(ref);
    progress_.unsure.erase(ref);
    OpenRow read = read_open(queue_, messages_, rest_, events_, progress_.doubtful);
    if (read.entry && terminal(read.entry->status)) return;
    if (!read.entry) {
      ++progress_.claimed.lost;
      return damaged(fmt::format("{}; it is not delivered: {}", read.damage, read.lost), ref);
    }
    if (!read.damage.empty()) {
      ++progress_.claimed.rebuilt;
      damaged(fmt::format("{}; it is delivered by what its message and its events say", read.damage), ref);
    }
    progress_.entries.push_back(std::move(*read.entry));
  }

  void damaged(std::string what, const RecipientRef& ref) {
    progress_.damage.push_back({std::move(what), ref.message, ref.index});
  }

  // Rows that lay on a page are lost; whose they were is said by the messages and their events.
  void gaps(const Error& error) {
    if (queue_.gaps().empty()) {  // not a page but the table
      progress_.damage.push_back({error.message});
      return;
    }
    for (DamagedPage gap : queue_.gaps()) {
      if (!progress_.pages.insert(gap.page).second) continue;
      progress_.damage.push_back({queue_.damage(gap).error().message});
      gap.first = std::max(gap.first, from_);  // before that all have been met
      const std::string first = gap.first.size() < queue_key_bytes
                                    ? std::string()
                                    : std::string(RowKey::message(message_of(gap.first)).view());
      progress_.searches.push_back({gap, first});
    }
  }

  // Answers how many rows it has read, or nearly.
  std::size_t missing_of(const MessageId& id, const DamagedPage& gap) {
    const auto record = read_message(messages_, rest_, scratch_);
    if (!record) {
      progress_.damage.push_back({record.error().message, id});
      return 1;
    }
    const Message& message = record->message;
    const std::size_t recipients = message.envelope.recipients.size();
    std::vector<History> known(recipients);
    std::size_t events = 0;
    const auto take = [&] {
      ++events;
      const std::uint32_t index = recipient_of(events_.key()).index;
      if (index < recipients) known[index].take(events_);
    };
    bool all_unsure = false;
    const auto damaged = [&](const Error& error) {
      all_unsure = true;
      progress_.damage.push_back({error.message, id});
    };
    each_row(events_, RowKey::event({id, 0}, 0).view(), RowKey::message(id).view(), take, damaged);
    for (std::uint32_t i = 0; i < recipients; ++i) {
      const RecipientRef ref{id, i};
      const RowKey key = RowKey::recipient(ref);
      const bool inside = key.view() >= gap.first && (gap.end.empty() || key.view() < gap.end);
      if (!inside || terminal(known[i].status)) continue;
      if (all_unsure || !known[i].whole)
        progress_.unsure.insert(ref);
      else
        progress_.missing.emplace(ref, entry_of(ref, row_of(known[i], message), RowTexts(message, i)));
    }
    return recipients + events;
  }

  ClaimProgress& progress_;
  PageRows queue_, messages_, rest_, events_;
  std::string from_;  // where the slice begins
  std::string scratch_;
};

// Those whose rows are lost with their pages: whoever is open for certain is delivered, as those are whose
// rows can be made anew.
Claimed finish(ClaimProgress& progress, std::uint64_t rows, const Store::EachEntry& each,
               const Store::EachDamage& damaged) {
  Claimed& claimed = progress.claimed;
  for (auto& [ref, entry] : progress.missing) {
    ++claimed.rebuilt;
    ++claimed.recipients;
    damaged({"its row in the spool's queue is lost; it is delivered by what its message and its events say",
             ref.message, ref.index});
    if (!each(std::move(entry))) return claimed;
  }
  for (const RecipientRef& ref : progress.unsure)
    damaged(
        {"its row in the spool's queue is lost and a part of its events; it is not delivered, as it may be "
         "finished",
         ref.message, ref.index});
  const std::uint64_t told = progress.missing.size() + progress.unsure.size();
  const std::uint64_t untold = rows - std::min(rows, progress.rows + told);
  if (untold > 0 && progress.doubtful) {
    damaged({fmt::format(
        "up to {} more rows of the spool's queue are lost; their recipients may all be finished", untold)});
    claimed.lost += progress.unsure.size();
    return claimed;
  }
  if (untold > 0)
    damaged({fmt::format("{} rows of the spool's queue are lost, and nothing says whose they were", untold)});
  claimed.lost += progress.unsure.size() + untold;
  return claimed;
}

}  // namespace

// Rows are counted, so that pages which are lost without a trace are seen by LMDB's own number of them.
Result<Claimed> LmdbStore::claim(const EachEntry& each, const EachDamage& damaged, const GoOn& go_on) {
  ClaimProgress progress;
  std::optional<std::string> from = std::string();
  std::uint64_t expected = 0, commit = 0;
  bool unchanged = true;
  while (from || !progress.searches.empty()) {
    progress.entries.clear();
    progress.damage.clear();
    {
      auto txn = Txn::begin_read(*environment_);
      if (!txn) return std::unexpected(txn.error());
      if (commit == 0) {
        const auto entries = txn->entries(Table::queue);
        if (!entries) return std::unexpected(entries.error());
        expected = *entries;
        commit = txn->commit_number();
      }
      unchanged = unchanged && commit == txn->commit_number();
      progress.doubtful = is_doubtful(*txn);
      Slice slice(*txn, progress);
      if (progress.searches.empty())
        from = slice.run(*from);
      else
        slice.search();
    }
    // Outside of the transaction: what they do may take as long as it likes.
    for (const Damage& damage : progress.damage) damaged(damage);
    for (QueueEntry& entry : progress.entries) {
      ++progress.claimed.recipients;
      if (!each(std::move(entry))) return progress.claimed;
    }
    if (!go_on()) return progress.claimed;
  }
  return finish(progress, unchanged ? expected : progress.rows, each, damaged);
}

}  // namespace relay::spool
