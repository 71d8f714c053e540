#include "spool/lmdb_batch.h"

#include <algorithm>
#include <utility>

#include "mta/base/log.h"
#include "spool/lmdb_message.h"

namespace relay::spool {
namespace {

// A body's bytes in order, across its segments.
class BodyBytes {
 public:
  explicit BodyBytes(const Body& body) : segments_(body.segments()) {}
  void copy(char* to, std::size_t bytes) {
    while (bytes > 0) {
      const std::string& segment = segments_[segment_];
      const std::size_t taken = std::min(bytes, segment.size() - offset_);
      std::copy_n(segment.data() + offset_, taken, to);
      to += taken, bytes -= taken, offset_ += taken;
      if (offset_ == segment.size()) ++segment_, offset_ = 0;
    }
  }

 private:
  const std::vector<std::string>& segments_;
  std::size_t segment_ = 0, offset_ = 0;
};

bool belongs(std::string_view key, const RowKey& message) { return key.starts_with(message.view()); }

}  // namespace

std::uint64_t space_for_new_mail(std::span<const Operation> batch) {
  constexpr std::uint64_t message_bytes = 4096;    // its share of the tables' pages
  constexpr std::uint64_t recipient_bytes = 1024;  // address, queue row, and the first event to come
  std::uint64_t bytes = 0;
  for (const auto& operation : batch)
    if (const Message* message = new_message(operation)) {
      bytes += message_bytes + recipient_bytes * message->envelope.recipients.size() +
               (message->body ? message->body->size() : 0);
      for (const auto& [name, value] : message->metadata) bytes += name.size() + value.size();
    }
  return bytes;
}

Batch::Batch(const Txn& txn, Cursor messages, Cursor rest, Cursor bodies, Cursor queue, Cursor events,
             Cursor keys, Cursor accounts, Cursor idempotency, Progress& progress, Scratch& scratch,
             std::size_t value_bytes)
    : txn_(&txn),
      messages_(std::move(messages)),
      rest_(std::move(rest)),
      bodies_(std::move(bodies)),
      queue_(std::move(queue)),
      events_(std::move(events)),
      keys_(std::move(keys)),
      accounts_(std::move(accounts)),
      idempotency_(std::move(idempotency)),
      progress_(progress),
      scratch_(scratch),
      value_bytes_(value_bytes) {}

Result<Batch> Batch::begin(const Txn& txn, Progress& progress, Scratch& scratch) {
  auto messages = Cursor::open(txn, Table::messages);
  auto rest = Cursor::open(txn, Table::rest);
  auto bodies = Cursor::open(txn, Table::bodies);
  auto queue = Cursor::open(txn, Table::queue);
  auto events = Cursor::open(txn, Table::events);
  auto keys = Cursor::open(txn, Table::keys);
  auto accounts = Cursor::open(txn, Table::accounts);
  auto idempotency = Cursor::open(txn, Table::idempotency);
  for (const auto* cursor : {&messages, &rest, &bodies, &queue, &events, &keys, &accounts, &idempotency})
    if (!*cursor) return std::unexpected(cursor->error());
  return Batch(txn, std::move(*messages), std::move(*rest), std::move(*bodies), std::move(*queue),
               std::move(*events), std::move(*keys), std::move(*accounts), std::move(*idempotency), progress,
               scratch, txn.environment().value_bytes());
}

Result<void> Batch::add(const Operation& operation, Care care) {
  care_ = care;
  struct Visitor {
    Batch& batch;
    Result<void> operator()(const Accept& o) const { return batch.accept(o); }
    Result<void> operator()(const Attempted& o) const {
      return batch.change(o.ref, o.event, o.status, o.due, true);
    }
    Result<void> operator()(const SetStatus& o) const {
      return batch.change(o.ref, o.event, o.status, o.due, false);
    }
    Result<void> operator()(const Restore& o) const { return batch.restore(o); }
    Result<void> operator()(const PutKey& o) const { return batch.put_key(o.key); }
    Result<void> operator()(const Purge& o) const { return batch.purge(o); }
  };
  return std::visit(Visitor{*this}, operation);
}

// ---- accept ----

Result<void> Batch::accept(const Accept& accept) {
  const Message& message = *accept.message;
  const auto& recipients = message.envelope.recipients;
  if (auto r = check_places(message); !r) return r;
  // Without a recipient it is closed from the start, and a closed message has no body.
  const std::uint32_t chunks = message.body && !recipients.empty() ? chunks_of(message.body->size()) : 0;
  const auto fresh = put_message(message, chunks);
  if (!fresh) return std::unexpected(fresh.error());
  if (!*fresh) {
    ++applied_.stale;
    return {};
  }
  if (chunks > 0)
    if (auto r = put_body(message); !r) return r;
  for (std::uint32_t i = 0; i < recipients.size(); ++i) {
    QueueRecord row;
    row.due = accept.due;
    row.since = message.since();
    row.domain = wire::domain_of(recipients[i].address);
    row.account = message.account.value;
    row.stream = message.stream;
    if (auto r = put_row({message.id, i}, row); !r) return r;
  }
  if (auto r = put_idempotency(message); !r) return r;
  if (auto r = put_in_account(message); !r) return r;
  if (accept.counted) count(message);
  return {};
}

// Before the first change, so that an operation which meets damage is left out and the batch goes on. A new
// message's rows of a table lie between the same two others: the place of the first is that of all.
Result<void> Batch::check_places(const Message& message) {
  constexpr auto put = SoundPaths::Use::put;
  if (auto r = messages_.check(RowKey::message(message.id).view(), put); !r) return r;
  if (auto r = bodies_.check(RowKey::part(message.id, 0).view(), put); !r) return r;
  if (auto r = events_.check(RowKey::event({message.id, 0}, 0).view(), put); !r) return r;
  // Rather no message than one that its key would not be known by.
  if (!message.idempotency_key.empty())
    if (auto r = idempotency_.check(RowKey::idempotency(message.idempotency()).view(), put); !r) return r;
  return queue_.check(RowKey::recipient({message.id, 0}).view(), put);
}

Result<void> Batch::put_idempotency(const Message& message) {
  if (message.idempotency_key.empty()) return {};
  const RowKey key = RowKey::idempotency(message.idempotency());
  begin_frame(scratch_.record);
  encode_idempotency(message.id, scratch_.record);
  seal(Table::idempotency, key.view(), scratch_.record);
  return idempotency_.put(key.view(), scratch_.record);
}

// Only lists need it.
Result<void> Batch::put_in_account(const Message& message) {
  const RowKey key = RowKey::account(message.account, message.id);
  if (auto r = accounts_.check(key.view(), SoundPaths::Use::put); r || r.error().code != Errc::corrupt)
    return r ? accounts_.put(key.view(), {}) : r;
  else if (!std::exchange(progress_.told_of_accounts, true))
    log::error("spool: messages are missing from lists by account from now on: {}", r.error().message);
  return {};
}

std::uint32_t Batch::chunks_of(std::uint64_t bytes) const {
  const std::size_t per_chunk = value_bytes_ - frame_bytes;
  return static_cast<std::uint32_t>((bytes + per_chunk - 1) / per_chunk);
}

Result<void> Batch::put_row(const RecipientRef& ref, const QueueRecord& row) {
  const RowKey key = RowKey::recipient(ref);
  begin_frame(scratch_.record);
  encode_queue(row, scratch_.record);
  seal(Table::queue, key.view(), scratch_.record);
  return queue_.put(key.view(), scratch_.record);
}

Result<void> Batch::put_event(const RecipientRef& ref, std::uint32_t number, const Event& event, Status after,
                              std::uint32_t attempts) {
  const RowKey key = RowKey::event(ref, number);
  begin_frame(scratch_.record);
  encode_event(event, after, attempts, scratch_.record);
  seal(Table::events, key.view(), scratch_.record);
  return events_.put(key.view(), scratch_.record);
}

// The record in pieces of one page: the first is the row of `messages`, the others are rows of `rest`.
Result<bool> Batch::put_message(const Message& message, std::uint32_t chunks) {
  std::string& record = scratch_.record;
  std::string& piece = scratch_.piece;
  record.clear();
  encode_message(message, chunks, record);
  const std::size_t first = value_bytes_ - frame_bytes - sizeof(std::uint32_t);
  const std::size_t other = value_bytes_ - frame_bytes;
  const std::size_t more = record.size() > first ? (record.size() - first + other - 1) / other : 0;
  if (more > 0)
    if (auto r = rest_.check(RowKey::part(message.id, 0).view(), SoundPaths::Use::put); !r)
      return std::unexpected(r.error());
  const RowKey key = RowKey::message(message.id);
  begin_frame(piece);
  Sink(piece).u32(static_cast<std::uint32_t>(more));
  piece.append(record, 0, first);
  seal(Table::messages, key.view(), piece);
  const auto fresh = messages_.insert(key.view(), piece);
  if (!fresh || !*fresh) return fresh;
  for (std::uint32_t i = 0; i < more; ++i) {
    const RowKey part = RowKey::part(message.id, i);
    begin_frame(piece);
    piece.append(record, first + i * other, other);
    seal(Table::rest, part.view(), piece);
    if (auto r = rest_.put(part.view(), piece); !r) return std::unexpected(r.error());
  }
  return true;
}

Result<void> Batch::put_body(const Message& message) {
  BodyBytes bytes(*message.body);
  const std::size_t per_chunk = value_bytes_ - frame_bytes;
  std::uint64_t left = message.body->size();
  for (std::uint32_t number = 0; left > 0; ++number) {
    const std::size_t taken = std::min<std::uint64_t>(left, per_chunk);
    const RowKey key = RowKey::part(message.id, number);
    const auto room = bodies_.reserve(key.view(), frame_bytes + taken);
    if (!room) return std::unexpected(room.error());
    bytes.copy(*room + frame_bytes, taken);
    seal(Table::bodies, key.view(), *room, taken);
    left -= taken;
  }
  return {};
}

// ---- what happens to a recipient ----

// As its row says, or, where that cannot be read or is in doubt, its message and its events. Nothing: it is
// finished, or was never known.
Result<std::optional<Batch::Standing>> Batch::standing(const RecipientRef& ref) {
  const auto found = queue_.seek(RowKey::recipient(ref).view());
  if (found && !*found) return std::nullopt;
  const auto payload = found ? queue_.payload() : std::unexpected(found.error());
  const auto row = payload ? decode_queue(*payload) : std::nullopt;
  if (row && terminal(row->status)) return std::nullopt;
  Standing standing;
  standing.has_row = found.has_value();
  if (row) standing.row = *row;
  if (row && (!progress_.doubtful || care_ == Care::utmost)) return standing;
  const auto why = payload ? queue_.damaged() : std::unexpected(payload.error());
  // What the disk does not give now may be there again: then the row would be, too.
  const bool passing = !found && txn_->written()->sound_paths().unreadable();
  if (care_ == Care::utmost || passing || why.error().code != Errc::corrupt || !txn_->usable()) return why;
  auto rebuilt = rebuild_row(ref, messages_, rest_, events_);
  if (!txn_->usable()) return why;
  const bool told = rebuilt && rebuilt->history;
  if (row && !told) return standing;
  if (!rebuilt) return std::unexpected(rebuilt.error());
  // A row that cannot be read is an open recipient's; one that is not there, its page being lost, may be a
  // finished one's.
  if (!found && !told) return std::unexpected(rebuilt->history.error());
  if (terminal(rebuilt->row.status)) return std::nullopt;
  if (!row || row->next_event < rebuilt->row.next_event) {
    standing.made_anew = std::move(rebuilt->texts);
    standing.row = rebuilt->row;
  }
  return standing;
}

// An outcome by its event alone: from now on every start asks the events.
Result<void> Batch::doubt_rows() {
  if (progress_.doubtful) return {};
  auto meta = Cursor::open(*txn_, Table::meta);
  if (!meta) return std::unexpected(meta.error());
  if (auto r = meta->put(doubtful_row, "1"); !r) return r;
  progress_.doubtful = true;
  return {};
}

Result<void> Batch::change(const RecipientRef& ref, const Event& event, Status status, WallTime due,
                           bool attempt) {
  auto before = standing(ref);
  if (!before) return std::unexpected(before.error());
  if (!*before) {
    ++applied_.stale;
    return {};
  }
  QueueRecord& row = (*before)->row;
  if ((*before)->made_anew) (*before)->made_anew->lend_to(row);
  // An outcome without its event is still an outcome: what is known to be finished is not delivered again.
  const RowKey event_key = RowKey::event(ref, row.next_event);
  const auto told = events_.check(event_key.view(), SoundPaths::Use::put);
  if (!told && (told.error().code != Errc::corrupt || !(*before)->has_row)) return told;
  if (!(*before)->has_row)
    if (auto r = doubt_rows(); !r) return r;
  if (told) ++row.next_event;
  if (attempt) ++row.attempts;
  // Held is an administrator's decision: an attempt that was under way then and failed does not undo it.
  row.status = attempt && row.status == Status::held && status == Status::queued ? Status::held : status;
  row.due = due;
  // The row's texts lie in what the cursor shows: encode first.
  begin_frame(scratch_.record);
  encode_queue(row, scratch_.record);
  seal(Table::queue, RowKey::recipient(ref).view(), scratch_.record);
  const RowKey key = RowKey::recipient(ref);
  const auto changed = !(*before)->has_row    ? told  // the event must say it alone
                       : terminal(row.status) ? close(ref, told.has_value())
                                              : queue_.put(key.view(), scratch_.record);
  if (!changed) return changed;
  if (told) return put_event(ref, row.next_event - 1, event, row.status, row.attempts);
  log::error("spool: {} is {} now, and its history does not say so: {}", describe(Table::queue, key.view()),
             text(row.status), told.error().message);
  return {};
}

// The queue row the cursor stands on goes, as its last event says what became of it; with the last open one
// of its message goes the body. Where that event or the erasure is not possible for damage beside it, the row
// stays and says it itself: the scratch has it so.
Result<void> Batch::close(const RecipientRef& ref, bool by_event) {
  const auto erasable = queue_.check_erase();
  if (!erasable && erasable.error().code != Errc::corrupt) return erasable;
  if (auto r =
          by_event && erasable ? queue_.erase() : queue_.put(RowKey::recipient(ref).view(), scratch_.record);
      !r)
    return r;
  const auto still_open = care_ == Care::utmost ? queue_.damaged() : has_open_row(queue_, ref.message);
  if (!still_open && still_open.error().code == Errc::corrupt && txn_->usable()) {
    log::error("spool: the content of {} is kept, as it cannot be told whether it is finished with: {}",
               ref.message.text(), still_open.error().message);
    return {};
  }
  if (!still_open) return std::unexpected(still_open.error());
  if (*still_open) return {};
  if (ref.message < progress_.purged_to) progress_.closed_behind.push_back(ref.message);
  const auto erased = erase_all(bodies_, ref.message);
  // Better content that nobody needs any more than an outcome that is not on record.
  if (!erased && erased.error().code == Errc::corrupt && txn_->usable())
    log::error("spool: the content of {} is finished with and cannot be removed: {}", ref.message.text(),
               erased.error().message);
  else if (!erased)
    return std::unexpected(erased.error());
  return {};
}

Result<std::uint64_t> Batch::erase_all(Cursor& cursor, const MessageId& id) {
  const RowKey key = RowKey::message(id);
  std::uint64_t erased = 0;
  auto found = cursor.seek_from(RowKey::part(id, 0).view());
  for (; found && *found && belongs(cursor.key(), key); found = cursor.next()) {
    if (auto r = cursor.erase(); !r) return std::unexpected(r.error());
    ++erased;
  }
  if (!found) return std::unexpected(found.error());
  return erased;
}

// ---- keys ----

Result<void> Batch::put_key(const ApiKey& key) {
  begin_frame(scratch_.record);
  encode_key(key, scratch_.record);
  seal(Table::keys, key.id.value, scratch_.record);
  return keys_.put(key.id.value, scratch_.record);
}

void Batch::count(const Message& message) {
  const UtcDay day = day_of(message.accepted);
  KeyDay& sent = sent_.try_emplace(message.key.value, KeyDay{message.key, day, 0}).first->second;
  if (const UtcDay counted = day_to_count_on(sent.day, day); sent.day != counted)
    sent = {message.key, counted, 0};
  ++sent.messages;
}

Result<void> Batch::write_usage() {
  if (sent_.empty()) return {};
  auto usage = Cursor::open(*txn_, Table::usage);
  if (!usage) return std::unexpected(usage.error());
  for (auto& [id, sent] : sent_) {
    const auto found = usage->seek(id);
    if (!found) return std::unexpected(found.error());
    if (*found) {
      const auto payload = usage->payload();
      const auto before = payload ? decode_key_day(id, *payload) : std::nullopt;
      if (!before)
        log::error("spool: {}; it begins anew",
                   (payload ? usage->damaged().error() : payload.error()).message);
      else if (sent.day = day_to_count_on(before->day, sent.day); before->day == sent.day)
        sent.messages += before->messages;
    }
    begin_frame(scratch_.record);
    encode_key_day(sent, scratch_.record);
    seal(Table::usage, id, scratch_.record);
    if (auto r = usage->put(id, scratch_.record); !r) return r;
  }
  return {};
}

}  // namespace relay::spool
