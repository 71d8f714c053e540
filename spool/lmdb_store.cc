#include "spool/lmdb_store.h"

#include <utility>

#include "mta/base/log.h"
#include "spool/lmdb_message.h"
#include "spool/lmdb_order.h"
#include "spool/page_rows.h"

namespace relay::spool {

namespace {

// The rows of the content are there as long as one recipient is open, and are not changed. If damage hides
// whether one is, the rows say.
Result<void> check_open(const Txn& txn, const MessageId& id) {
  PageRows queue(txn, Table::queue);
  if (const auto open = has_open_row(queue, id); open && !*open)
    return fail(Errc::not_found, "the spool has no content of " + id.text() + ": no recipient of it is open");
  return {};
}

Result<MessageRecord> read_record(const Txn& txn, const MessageId& id) {
  PageRows messages(txn, Table::messages), rest(txn, Table::rest);
  std::string scratch;
  return read_queued(id, messages, rest, scratch);
}

// New mail has the greatest id there is: its rows go to the right end of each table.
Result<void> check_right_end(const Txn& txn) {
  MessageId greatest;
  greatest.bytes.fill(0xff);
  const RecipientRef ref{greatest, 0};
  const std::pair<Table, RowKey> places[] = {{Table::messages, RowKey::message(greatest)},
                                             {Table::bodies, RowKey::part(greatest, 0)},
                                             {Table::queue, RowKey::recipient(ref)},
                                             {Table::events, RowKey::event(ref, 0)}};
  for (const auto& [table, key] : places)
    if (auto r = txn.written()->sound_paths().check(txn, table, key.view(), SoundPaths::Use::put); !r)
      return r;
  return {};
}

}  // namespace

Result<std::unique_ptr<Store>> open_lmdb(const LmdbSettings& settings) {
  auto environment = Environment::open(settings);
  if (!environment) return std::unexpected(environment.error());
  bool doubtful = false;
  {
    auto txn = Txn::begin_read(**environment);
    if (!txn) return std::unexpected(txn.error());
    doubtful = is_doubtful(*txn);
  }
  return std::make_unique<LmdbStore>(std::move(*environment), doubtful);
}

Result<Applied> LmdbStore::apply(std::span<const Operation> batch) {
  constexpr std::uint64_t reader_check_batches = 64;  // it costs a few system calls
  if (batches_++ % reader_check_batches == 0) environment_->forget_dead_readers();
  if (const std::uint64_t bytes = space_for_new_mail(batch); bytes > 0) {
    const auto room = environment_->has_room(bytes);
    if (!room) return std::unexpected(room.error());
    if (!*room) return environment_->no_room(bytes);
  }
  if (auto r = environment_->settle_meta(); !r) return std::unexpected(r.error());
  const std::vector<std::uint32_t> order = order_of(batch);
  Trouble trouble;
  for (;;) {
    // Each round that does not commit has named one more operation that cannot be applied, or needs care.
    auto applied = try_apply(batch, order, trouble);
    if (!applied) return std::unexpected(applied.error());
    if (!*applied) continue;
    environment_->worked(batch.size());
    for (auto& [index, error] : trouble.failed) (*applied)->failed.push_back({index, std::move(error)});
    return std::move(**applied);
  }
}

Result<std::optional<Applied>> LmdbStore::try_apply(std::span<const Operation> batch,
                                                    std::span<const std::uint32_t> order, Trouble& trouble) {
  auto txn = Txn::begin_write(*environment_);
  if (!txn) return std::unexpected(txn.error());
  Progress progress = progress_;
  auto applied = add_all(*txn, batch, order, progress, trouble);
  if (!applied || !*applied) return applied;
  if (auto r = txn->commit(); !r) return std::unexpected(r.error());
  progress_ = std::move(progress);
  return applied;
}

// An operation that meets damage is left out. Mostly it is met before anything is changed, and the others go
// on; else the transaction has a part of the operation, or LMDB has given it up: nothing is answered, and
// all the others must be tried again without this one. The cursors end here, before the transaction does.
Result<std::optional<Applied>> LmdbStore::add_all(const Txn& txn, std::span<const Operation> batch,
                                                  std::span<const std::uint32_t> order, Progress& progress,
                                                  Trouble& trouble) {
  auto open_batch = Batch::begin(txn, progress, scratch_);
  if (!open_batch) return std::unexpected(open_batch.error());
  for (const std::uint32_t position : order) {
    if (trouble.failed.contains(position)) continue;
    const std::uint64_t changes = environment_->changes();
    const Care care = trouble.careful.contains(position) ? Care::utmost : Care::usual;
    auto added = open_batch->add(batch[position], care);
    if (added) continue;
    if (added.error().code != Errc::corrupt) return std::unexpected(added.error());
    if (txn.usable() || !trouble.careful.insert(position).second)
      trouble.failed.emplace(position, std::move(added.error()));
    if (changes != environment_->changes() || !txn.usable()) return std::nullopt;
  }
  const auto usage = write_usage(txn, *open_batch, progress, trouble);
  if (!usage) return std::unexpected(usage.error());
  if (!*usage) return std::nullopt;
  return open_batch->applied();
}

// Mail does not wait for the repair of a count. False: the batch must be tried again without it.
Result<bool> LmdbStore::write_usage(const Txn& txn, Batch& batch, Progress& progress, Trouble& trouble) {
  if (trouble.usage) return true;
  const std::uint64_t changes = environment_->changes();
  const auto written = batch.write_usage();
  if (written) return true;
  if (written.error().code != Errc::corrupt) return std::unexpected(written.error());
  if (!std::exchange(progress.told_of_usage, true))
    log::error("spool: what API keys have sent today is not kept over a restart from now on: {}",
               written.error().message);
  trouble.usage = true;
  return txn.usable() && changes == environment_->changes();
}

// A record of `meta` is written anew as it is: whether that can be done only doing it tells.
Result<void> LmdbStore::probe(std::uint64_t bytes) {
  const auto room = environment_->has_room(bytes);
  if (!room) return std::unexpected(room.error());
  if (!*room) return environment_->no_room(bytes);
  if (auto r = environment_->settle_meta(); !r) return r;
  auto txn = Txn::begin_write(*environment_);
  if (!txn) return std::unexpected(txn.error());
  if (auto r = check_right_end(*txn); !r) return r;
  if (!txn->written()->sound_paths().check(*txn, Table::meta, "created", SoundPaths::Use::put)) return {};
  {
    auto meta = Cursor::open(*txn, Table::meta);
    if (!meta) return std::unexpected(meta.error());
    const auto found = meta->seek("created");
    if (!found) return std::unexpected(found.error());
    if (*found) {
      const auto value = meta->value();
      if (!value) return std::unexpected(value.error());
      if (auto r = meta->put("created", std::string(*value)); !r) return r;
    }
  }
  return txn->commit();
}

Result<void> LmdbStore::sync() { return environment_->sync(); }

Result<std::optional<MessageView>> LmdbStore::find(MessageId id) const {
  auto txn = Txn::begin_read(*environment_);
  if (!txn) return std::unexpected(txn.error());
  PageRows messages(*txn, Table::messages);
  const auto found = messages.seek(RowKey::message(id).view());
  if (!found) return std::unexpected(found.error());
  if (!*found) return std::nullopt;
  PageRows rest(*txn, Table::rest), queue(*txn, Table::queue), events(*txn, Table::events);
  std::string scratch;
  auto record = read_message(messages, rest, scratch);
  if (!record) return std::unexpected(record.error());
  return read_view(std::move(record->message), queue, events, Detail::recipients_and_events);
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
    PageRows bodies(*txn, Table::bodies);
    std::string content;
    const auto read = read_chunks(record, next, slice_bytes, bodies, content);
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

Result<std::optional<MessageId>> LmdbStore::find_by_key(const IdempotencyKey& key) const {
  auto txn = Txn::begin_read(*environment_);
  if (!txn) return std::unexpected(txn.error());
  PageRows rows(*txn, Table::idempotency);
  const auto found = rows.seek(RowKey::idempotency(key).view());
  if (!found) return std::unexpected(found.error());
  if (!*found) return std::nullopt;
  const auto payload = rows.payload();
  const auto id = payload ? decode_idempotency(*payload) : std::nullopt;
  if (!id)
    log::error("spool: {}; a message that has come with that key is not known by it any more",
               (payload ? rows.damaged().error() : payload.error()).message);
  return id;
}

Result<Counts> LmdbStore::counts() const {
  auto txn = Txn::begin_read(*environment_);
  if (!txn) return std::unexpected(txn.error());
  const auto messages = txn->entries(Table::messages);
  if (!messages) return std::unexpected(messages.error());
  const auto queued = txn->entries(Table::queue);
  if (!queued) return std::unexpected(queued.error());
  const auto keys = txn->entries(Table::idempotency);
  if (!keys) return std::unexpected(keys.error());
  return Counts{.messages = *messages, .queued = *queued, .idempotency_keys = *keys};
}

Result<std::vector<ApiKey>> LmdbStore::keys() const {
  auto txn = Txn::begin_read(*environment_);
  if (!txn) return std::unexpected(txn.error());
  std::vector<ApiKey> keys;
  PageRows rows(*txn, Table::keys);
  const auto damaged = [](const Error& error) {
    log::error("spool: {}; whoever uses that key is refused until it is made anew", error.message);
  };
  const auto take = [&] {
    const auto payload = rows.payload();
    if (!payload) return damaged(payload.error());
    if (auto key = decode_key(rows.key(), *payload))
      keys.push_back(std::move(*key));
    else
      damaged(rows.damaged().error());
  };
  each_row(rows, {}, {}, take, damaged);
  return keys;
}

Result<std::vector<KeyDay>> LmdbStore::key_days() const {
  auto txn = Txn::begin_read(*environment_);
  if (!txn) return std::unexpected(txn.error());
  std::vector<KeyDay> days;
  PageRows rows(*txn, Table::usage);
  const auto damaged = [](const Error& error) {
    log::error("spool: {}; what that key has sent today counts from nothing", error.message);
  };
  const auto take = [&] {
    const auto payload = rows.payload();
    if (!payload) return damaged(payload.error());
    if (auto day = decode_key_day(rows.key(), *payload))
      days.push_back(std::move(*day));
    else
      damaged(rows.damaged().error());
  };
  each_row(rows, {}, {}, take, damaged);
  return days;
}

}  // namespace relay::spool
