#include "spool/lmdb_store.h"

#include <utility>

#include "spool/lmdb_message.h"
#include "spool/lmdb_order.h"

namespace relay::spool {
namespace {

Result<MessageRecord> read_record(const Txn& txn, const MessageId& id) {
  auto messages = Cursor::open(txn, Table::messages);
  if (!messages) return std::unexpected(messages.error());
  auto rest = Cursor::open(txn, Table::rest);
  if (!rest) return std::unexpected(rest.error());
  const auto found = messages->seek(RowKey::message(id).view());
  if (!found) return std::unexpected(found.error());
  if (!*found) return fail(Errc::corrupt, "the spool has lost the record of the queued " + id.text());
  std::string scratch;
  return read_message(*messages, *rest, scratch);
}

// The rows of the content are there as long as one recipient is open, and are not changed.
Result<void> check_open(const Txn& txn, const MessageId& id) {
  auto queue = Cursor::open(txn, Table::queue);
  if (!queue) return std::unexpected(queue.error());
  const auto found = queue->seek_from(RowKey::message(id).view());
  if (!found) return std::unexpected(found.error());
  if (!*found || message_of(queue->key()) != id)
    return fail(Errc::not_found, "the spool has no content of " + id.text() + ": no recipient of it is open");
  return {};
}

std::unexpected<Error> no_room() {
  return fail(Errc::full, "the spool is full: what is left of it is kept for the queued mail's outcomes");
}

}  // namespace

Result<std::unique_ptr<Store>> open_lmdb(const LmdbSettings& settings) {
  auto environment = Environment::open(settings);
  if (!environment) return std::unexpected(environment.error());
  return std::make_unique<LmdbStore>(std::move(*environment));
}

Result<Applied> LmdbStore::apply(std::span<const Operation> batch) {
  constexpr std::uint64_t reader_check_batches = 64;  // it costs a few system calls
  if (batches_++ % reader_check_batches == 0) environment_->forget_dead_readers();
  if (const std::uint64_t bytes = space_for_new_mail(batch); bytes > 0) {
    const auto room = environment_->has_room(bytes);
    if (!room) return std::unexpected(room.error());
    if (!*room) return no_room();
  }
  if (auto r = environment_->settle_meta(); !r) return std::unexpected(r.error());
  auto txn = Txn::begin_write(*environment_);
  if (!txn) return std::unexpected(txn.error());
  Progress progress = progress_;
  auto applied = add_all(*txn, batch, progress);
  if (!applied) return applied;
  if (auto r = txn->commit(); !r) return std::unexpected(r.error());
  progress_ = std::move(progress);
  return applied;
}

Result<void> LmdbStore::sync() { return environment_->sync(); }

// A record of `meta` is written anew as it is: whether that can be done only doing it tells.
Result<void> LmdbStore::probe() {
  constexpr std::uint64_t usual_message = 64u << 10;
  const auto room = environment_->has_room(usual_message);
  if (!room) return std::unexpected(room.error());
  if (!*room) return no_room();
  auto txn = Txn::begin_write(*environment_);
  if (!txn) return std::unexpected(txn.error());
  {
    auto meta = Cursor::open(*txn, Table::meta);
    if (!meta) return std::unexpected(meta.error());
    const auto found = meta->seek("created");
    if (!found) return std::unexpected(found.error());
    if (*found)
      if (auto r = meta->put("created", std::string(meta->value())); !r) return r;
  }
  return txn->commit();
}

// The batch's cursors end here, before the transaction does.
Result<Applied> LmdbStore::add_all(const Txn& txn, std::span<const Operation> batch, Progress& progress) {
  auto open_batch = Batch::begin(txn, progress, scratch_);
  if (!open_batch) return std::unexpected(open_batch.error());
  for (const std::uint32_t position : order_of(batch))
    if (auto r = open_batch->add(batch[position]); !r) return std::unexpected(r.error());
  return open_batch->applied();
}

Result<std::optional<MessageView>> LmdbStore::find(MessageId id) const {
  auto txn = Txn::begin_read(*environment_);
  if (!txn) return std::unexpected(txn.error());
  auto messages = Cursor::open(*txn, Table::messages);
  if (!messages) return std::unexpected(messages.error());
  const auto found = messages->seek(RowKey::message(id).view());
  if (!found) return std::unexpected(found.error());
  if (!*found) return std::nullopt;
  auto rest = Cursor::open(*txn, Table::rest);
  auto queue = Cursor::open(*txn, Table::queue);
  auto events = Cursor::open(*txn, Table::events);
  for (const auto* cursor : {&rest, &queue, &events})
    if (!*cursor) return std::unexpected(cursor->error());
  std::string scratch;
  auto record = read_message(*messages, *rest, scratch);
  if (!record) return std::unexpected(record.error());
  auto view = read_view(std::move(record->message), *queue, *events, Detail::recipients_and_events);
  if (!view) return std::unexpected(view.error());
  return std::move(*view);
}

Result<MessagePtr> LmdbStore::load(MessageId id, std::uint64_t at_most) const {
  MessageRecord record;
  Body body;
  for (std::uint32_t next = 0;;) {  // one slice each
    auto txn = Txn::begin_read(*environment_);
    if (!txn) return std::unexpected(txn.error());
    if (auto open = check_open(*txn, id); !open) return std::unexpected(open.error());
    if (next == 0) {
      auto read = read_record(*txn, id);
      if (!read) return std::unexpected(read.error());
      record = std::move(*read);
      if (record.message.size > at_most) break;
    }
    auto bodies = Cursor::open(*txn, Table::bodies);
    if (!bodies) return std::unexpected(bodies.error());
    std::string content;
    const auto read = read_chunks(record, next, slice_bytes, *bodies, content);
    if (!read) return std::unexpected(read.error());
    next = *read;
    body.append(std::move(content));
    if (next < record.chunks) continue;
    if (body.size() != record.message.size)
      return fail(Errc::corrupt, "the content of " + id.text() + " is not as long as its record says");
    record.message.body = std::make_shared<const Body>(std::move(body));
    break;
  }
  return std::make_shared<const Message>(std::move(record.message));
}

Result<Counts> LmdbStore::counts() const {
  auto txn = Txn::begin_read(*environment_);
  if (!txn) return std::unexpected(txn.error());
  const auto messages = txn->entries(Table::messages);
  if (!messages) return std::unexpected(messages.error());
  const auto queued = txn->entries(Table::queue);
  if (!queued) return std::unexpected(queued.error());
  return Counts{.messages = *messages, .queued = *queued};
}

Result<std::vector<ApiKey>> LmdbStore::keys() const {
  auto txn = Txn::begin_read(*environment_);
  if (!txn) return std::unexpected(txn.error());
  auto cursor = Cursor::open(*txn, Table::keys);
  if (!cursor) return std::unexpected(cursor.error());
  std::vector<ApiKey> keys;
  auto found = cursor->first();
  for (; found && *found; found = cursor->next()) {
    const auto payload = cursor->payload();
    if (!payload) return std::unexpected(payload.error());
    auto key = decode_key(cursor->key(), *payload);
    if (!key) return cursor->damaged();
    keys.push_back(std::move(*key));
  }
  if (!found) return std::unexpected(found.error());
  return keys;
}

}  // namespace relay::spool
