// The Store's reads that answer many rows: lists of messages and of the queue. Each shows what it can and
// names what it cannot.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "spool/lmdb_message.h"
#include "spool/lmdb_store.h"
#include "spool/page_rows.h"

namespace relay::spool {
namespace {

MessageId last_possible() {
  MessageId id;
  id.bytes.fill(0xff);
  return id;
}

// Finds the messages of a list: all of them, or through the index those of one account.
class Newest {
 public:
  struct Found {
    MessageId id;
    std::string damage;  // a sentence: from this id on, back to the one found before, some cannot be read
  };
  Newest(const Txn& txn, const MessageQuery& query)
      : query_(query), rows_(txn, query.account ? Table::accounts : Table::messages) {}

  // The next older message, if there is one.
  std::optional<Found> next() {
    if (ended_) return std::nullopt;
    const MessageId before = query_.before.value_or(last_possible());
    const RowKey bound = query_.account ? RowKey::account(*query_.account, before) : RowKey::message(before);
    const std::string_view account = query_.account ? bound.view().substr(0, hash_bytes) : std::string_view();
    if (!pending_) {
      const auto found = started_ ? rows_.previous() : rows_.seek_before(bound.view());
      started_ = true;
      if (!found) {
        pending_ = rows_.valid();
        ended_ = !pending_;
        if (rows_.gaps().empty()) return Found{{}, found.error().message};
        // Shown before the row that lies behind it.
        const std::string& first = rows_.gaps().back().first;
        return Found{first.starts_with(account) ? message_of(std::string_view(first).substr(account.size()))
                                                : MessageId{},
                     found.error().message};
      }
      if (!*found) return std::nullopt;
    }
    pending_ = false;
    if (!rows_.key().starts_with(account)) return std::nullopt;
    return Found{message_of(rows_.key().substr(account.size())), {}};
  }

 private:
  static constexpr std::size_t hash_bytes = 8;
  const MessageQuery& query_;
  PageRows rows_;
  bool started_ = false;
  bool pending_ = false;  // stands on a row that has not been shown yet
  bool ended_ = false;
};

MessageView damaged_view(const MessageId& id, std::string damage) {
  MessageView view;
  view.message.id = id;
  view.damage.push_back(std::move(damage));
  return view;
}

// Fills queue rows with what their message says; neighbours are often of one message.
class Completer {
 public:
  explicit Completer(const Txn& txn)
      : messages_(txn, Table::messages),
        rest_(txn, Table::rest),
        events_(txn, Table::events),
        doubtful_(is_doubtful(txn)) {}

  void complete(QueueRow& row) {
    const MessageId& id = row.entry.ref.message;
    if (!message_ || message_->id != id) {
      auto record = read_queued(id, messages_, rest_, scratch_);
      if (!record) {
        if (row.damage.empty()) row.damage = record.error().message;
        return;
      }
      message_ = std::move(record->message);
    }
    const auto& recipients = message_->envelope.recipients;
    if (row.entry.ref.index >= recipients.size()) {
      if (row.damage.empty())
        row.damage = "the spool's queue has a recipient that " + id.text() + " does not have";
      return;
    }
    row.address = recipients[row.entry.ref.index].address;
    row.reverse_path = message_->envelope.reverse_path;
    row.account = message_->account;
    row.size = message_->size;
    row.scheduled = message_->scheduled;
  }

  OpenRow read(Rows& queue) { return read_open(queue, messages_, rest_, events_, doubtful_); }

 private:
  PageRows messages_, rest_, events_;
  bool doubtful_;
  std::optional<Message> message_;
  std::string scratch_;
};

// One slice of the queue for a list of it.
class QueueLister {
 public:
  QueueLister(const Txn& txn, const QueueQuery& query, std::vector<QueueRow>& rows)
      : query_(query), rows_(rows), queue_(txn, Table::queue), completer_(txn) {}

  // Where to go on, or nothing: that was the end, or enough.
  std::optional<RecipientRef> run(const RecipientRef& from) {
    const RowKey start = RowKey::recipient(from);
    std::size_t seen = 0;
    for (auto found = queue_.seek_from(start.view());; found = queue_.next()) {
      if (!found) gap(start.view(), found.error());
      if (rows_.size() >= query_.limit || (found ? !*found : !queue_.valid())) return std::nullopt;
      if (seen++ == slice_rows) return recipient_of(queue_.key());
      row();
      if (rows_.size() >= query_.limit) return std::nullopt;
    }
  }

 private:
  // Told with the page of the list on which it begins.
  void gap(std::string_view start, const Error& error) {
    const std::string first = queue_.gaps().empty() ? std::string() : queue_.gaps().front().first;
    if (query_.after && first < start) return;
    QueueRow& row = rows_.emplace_back();
    row.entry.ref = first.empty() ? RecipientRef{} : recipient_of(first);
    row.damage = error.message;
  }

  void row() {
    OpenRow read = completer_.read(queue_);
    if (read.entry && terminal(read.entry->status)) return;
    QueueRow row;
    row.damage = std::move(read.damage);
    if (read.entry) {
      row.entry = std::move(*read.entry);
    } else {
      row.entry.ref = recipient_of(queue_.key());
      row.damage += fmt::format("; {}", read.lost);
    }
    const bool known = row.damage.empty() || !row.entry.domain.empty();
    if (known && query_.domain && row.entry.domain != *query_.domain) return;
    if (known && query_.status && row.entry.status != *query_.status) return;
    completer_.complete(row);
    rows_.push_back(std::move(row));
  }

  const QueueQuery& query_;
  std::vector<QueueRow>& rows_;
  PageRows queue_;
  Completer completer_;
};

}  // namespace

Result<std::vector<MessageView>> LmdbStore::list(const MessageQuery& query) const {
  auto txn = Txn::begin_read(*environment_);
  if (!txn) return std::unexpected(txn.error());
  Newest newest(*txn, query);
  PageRows messages(*txn, Table::messages), rest(*txn, Table::rest), queue(*txn, Table::queue),
      events(*txn, Table::events);
  std::vector<MessageView> views;
  std::string scratch;
  while (views.size() < query.limit) {
    auto next = newest.next();
    if (!next) break;
    if (!next->damage.empty()) {
      views.push_back(damaged_view(next->id, std::move(next->damage)));
      continue;
    }
    const auto found = messages.seek(RowKey::message(next->id).view());
    if (found && !*found) continue;  // see Batch::forget
    auto record = found ? read_message(messages, rest, scratch) : std::unexpected(found.error());
    if (!record) {
      views.push_back(damaged_view(next->id, std::move(record.error().message)));
      continue;
    }
    if (query.account && record->message.account != *query.account) continue;
    views.push_back(read_view(std::move(record->message), queue, events, Detail::recipients));
  }
  return views;
}

Result<std::vector<QueueRow>> LmdbStore::list_queue(const QueueQuery& query) const {
  std::vector<QueueRow> rows;
  std::optional<RecipientRef> from = RecipientRef{};
  if (query.after) {
    if (query.after->index == std::numeric_limits<std::uint32_t>::max())
      return fail(Errc::invalid, "the cursor names a recipient that cannot exist");
    from = RecipientRef{query.after->message, query.after->index + 1};
  }
  while (from && rows.size() < query.limit) {
    auto txn = Txn::begin_read(*environment_);
    if (!txn) return std::unexpected(txn.error());
    from = QueueLister(*txn, query, rows).run(*from);
  }
  return rows;
}

}  // namespace relay::spool
