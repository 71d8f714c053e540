#include "spool/inspect/check.h"

#include <fmt/format.h>

#include <algorithm>

#include "spool/inspect/check_message.h"
#include "spool/inspect/page_account.h"
#include "spool/inspect/stored.h"
#include "spool/preflight.h"

namespace relay::spool {
namespace {

// One view of a running spool: tens of milliseconds.
constexpr std::uint64_t slice_messages = 5000;
constexpr std::uint64_t slice_bytes = 32u << 20;
constexpr std::uint64_t slice_index_rows = 20'000;

struct MetaRows {
  std::optional<std::string> format, created;
  std::vector<std::string> others;
};

MetaRows read_meta(const View& view, const Tables& tables, Faults& faults) {
  MetaRows rows;
  RowCursor cursor(view, tables, Table::meta, faults);
  for (bool found = cursor.first(); found; found = cursor.next()) {
    const auto value = cursor.value();
    if (cursor.key() == "format" && value)
      rows.format = *value;
    else if (cursor.key() == "created" && value)
      rows.created = *value;
    else if (cursor.key() != doubtful_row || value != "1")
      rows.others.emplace_back(cursor.key());
  }
  return rows;
}

bool is_moment(std::string_view text) {
  constexpr std::string_view shape = "0000-00-00T00:00:00.000Z";
  return text.size() == shape.size() &&
         std::equal(text.begin(), text.end(), shape.begin(),
                    [](char c, char s) { return s == '0' ? c >= '0' && c <= '9' : c == s; });
}

class Check {
 public:
  Check(SpoolFile& file, const CheckOptions& options, const FaultSink& sink, const OnProgress& progress)
      : file_(file), options_(options), progress_(progress), faults_(sink) {}

  Result<CheckReport> run();

 private:
  Result<void> whole();
  Result<void> messages();
  Result<void> accounts();
  Result<void> idempotency();
  void check_meta(const View& view, const Tables& tables);
  void check_keys(const View& view, const Tables& tables);
  // Cursors of the indexes that have a row of a message.
  struct Indexes {
    RowCursor accounts, idempotency;
  };
  void one_message(MessageWalk& walk, Indexes& indexes, const MessageId& id, StoredMessage& message);
  void check_indexes(Indexes& indexes, const Message& message);
  void one_account(RowCursor& accounts, MessageWalk& walk);
  void one_key(RowCursor& keys, MessageWalk& walk);
  template <class One>
  Result<void> each_index_row(Table table, One one);

  SpoolFile& file_;
  const CheckOptions& options_;
  const OnProgress& progress_;
  Faults faults_;
  CheckReport report_;
  std::optional<MessageId> last_;  // of the first view; nothing after it is looked at
  std::uint64_t expected_ = 0;
};

// What needs one view for all of it; also learns where the messages end.
Result<void> Check::whole() {
  for (std::size_t i = 0; i < 2; ++i)
    if (const auto& fault = file_.meta_faults()[i])
      faults_.add({.kind = FaultKind::meta_page,
                   .page = i,
                   .what = fmt::format("meta page {} cannot be used: {}", i, *fault)});
  const auto view = file_.view();
  if (!view) return std::unexpected(view.error());
  const Tables tables = find_tables(*view, faults_);
  expected_ = tables[Table::messages] ? tables[Table::messages]->entries : 0;
  check_meta(*view, tables);
  check_keys(*view, tables);
  report_.pages = view->meta().last + 1;
  if (options_.pages) {
    const PageTotals totals = account_pages(*view, tables, faults_);
    report_.pages_used = totals.used;
    report_.pages_free = totals.free;
  }
  return {};
}

void Check::check_meta(const View& view, const Tables& tables) {
  const MetaRows rows = read_meta(view, tables, faults_);
  const auto fault = [&](std::string what) {
    faults_.add({.kind = FaultKind::meta_row, .table = Table::meta, .what = std::move(what)});
  };
  if (!rows.format) fault("there is no row for the format");
  if (!rows.created)
    fault("there is no row that says when the spool was made");
  else if (!is_moment(*rows.created))
    fault("when the spool was made is no time");
  for (const auto& other : rows.others)
    fault(fmt::format("there is a row that the format does not know: {}", other));
  report_.created = rows.created.value_or("");
}

void Check::check_keys(const View& view, const Tables& tables) {
  RowCursor keys(view, tables, Table::keys, faults_);
  for (bool found = keys.first(); found; found = keys.next()) {
    ++report_.keys, ++report_.records, report_.bytes += keys.bytes();
    const auto payload = keys.payload();
    if (payload && !decode_key(keys.key(), *payload)) keys.meaningless();
  }
  RowCursor days(view, tables, Table::usage, faults_);
  for (bool found = days.first(); found; found = days.next()) {
    ++report_.records, report_.bytes += days.bytes();
    const auto payload = days.payload();
    if (payload && !decode_key_day(days.key(), *payload)) days.meaningless();
  }
}

void Check::one_message(MessageWalk& walk, Indexes& indexes, const MessageId& id, StoredMessage& message) {
  message = walk.read(id);
  const StoredContent content = walk.content(message, [](std::string_view) {});
  message.records += content.rows;
  message.bytes += content.bytes;
  report_.records += message.records;
  report_.bytes += message.bytes;
  check_message(message, faults_);
  report_.open += message.open_rows();
  if (message.listed) ++report_.messages;
  if (!message.record) return;
  report_.recipients += message.record->message.envelope.recipients.size();
  check_indexes(indexes, message.record->message);
}

void Check::check_indexes(Indexes& indexes, const Message& message) {
  const auto has = [](RowCursor& cursor, const RowKey& key) {
    return cursor.seek_from(key.view()) && cursor.key() == key.view();
  };
  if (!has(indexes.accounts, RowKey::account(message.account, message.id)))
    faults_.add({.kind = FaultKind::account_missing,
                 .table = Table::accounts,
                 .message = message.id,
                 .what = fmt::format("the index of account {} does not have it", message.account.value)});
  if (!message.idempotency_key.empty() &&
      !has(indexes.idempotency, RowKey::idempotency(message.idempotency())))
    faults_.add({.kind = FaultKind::idempotency_missing,
                 .table = Table::idempotency,
                 .message = message.id,
                 .what = "its idempotency key has no row"});
}

Result<void> Check::messages() {
  std::optional<MessageId> from = MessageId{};
  while (from) {
    const auto view = file_.view();
    if (!view) return std::unexpected(view.error());
    const Tables tables = find_tables(*view, faults_);
    MessageWalk walk(*view, tables, faults_);
    Indexes indexes{{*view, tables, Table::accounts, faults_}, {*view, tables, Table::idempotency, faults_}};
    if (!last_) last_ = walk.newest();
    std::uint64_t done = 0, bytes = 0;
    auto id = walk.seek(*from);
    from.reset();
    StoredMessage message;
    for (; id && *id <= *last_; id = walk.next()) {
      if (done >= slice_messages || bytes >= slice_bytes) {
        from = id;
        break;
      }
      one_message(walk, indexes, *id, message);
      ++done;
      bytes += message.bytes;
      if ((report_.messages & 0xff) == 0) progress_(report_.messages, expected_);
    }
  }
  progress_(report_.messages, std::max(report_.messages, expected_));
  return {};
}

// A row of the index must be that of a message, under its account. That every message has one is known by
// now.
void Check::one_account(RowCursor& accounts, MessageWalk& walk) {
  const auto fault = [&](FaultKind kind, std::optional<MessageId> id, std::string what) {
    faults_.add({.kind = kind, .table = Table::accounts, .message = id, .what = std::move(what)});
  };
  const std::string_view key = accounts.key();
  if (key.size() != key_bytes(Table::accounts))
    return fault(FaultKind::key_malformed, std::nullopt, fmt::format("a key is {} bytes long", key.size()));
  if (accounts.bytes() != 0)
    fault(FaultKind::record_meaningless, std::nullopt, "a row of the index is not empty");
  constexpr std::size_t hash_bytes = 8;
  const MessageId id = message_of(key.substr(hash_bytes));
  const auto record = walk.record(id);
  if (record.listed && !record.record) return;  // damaged, which has been told
  if (!record.listed) {
    if (faults_.damaged_pages(Table::messages) == 0)
      fault(FaultKind::account_orphan, id, "the index of an account has it, and there is no such message");
  } else if (RowKey::account(record.record->message.account, id).view() != key) {
    fault(FaultKind::account_orphan, id, "the index of another account than its own has it");
  }
}

// It leads to a message that came with this key: the last, if several did.
void Check::one_key(RowCursor& keys, MessageWalk& walk) {
  const auto fault = [&](FaultKind kind, std::optional<MessageId> id, std::string what) {
    faults_.add({.kind = kind, .table = Table::idempotency, .message = id, .what = std::move(what)});
  };
  if (keys.key().size() != key_bytes(Table::idempotency))
    return fault(FaultKind::key_malformed, std::nullopt,
                 fmt::format("a key is {} bytes long", keys.key().size()));
  const auto payload = keys.payload();
  if (!payload) return;
  const auto id = decode_idempotency(*payload);
  if (!id) return keys.meaningless();
  const auto record = walk.record(*id);
  if (!record.record) {
    if (!record.listed && faults_.damaged_pages(Table::messages) == 0)
      fault(FaultKind::idempotency_orphan, id,
            "an idempotency key leads to it, and there is no such message");
    return;
  }
  const Message& message = record.record->message;
  if (RowKey::idempotency(message.idempotency()).view() != keys.key())
    fault(FaultKind::idempotency_orphan, id, "an idempotency key leads to it that it did not come with");
}

template <class One>
Result<void> Check::each_index_row(Table table, One one) {
  std::string from;
  for (bool more = true; more;) {
    const auto view = file_.view();
    if (!view) return std::unexpected(view.error());
    Faults quiet([](const Fault&) {});  // the messages' own faults have been told
    const Tables tables = find_tables(*view, faults_);
    RowCursor rows(*view, tables, table, faults_);
    MessageWalk walk(*view, tables, quiet);
    more = false;
    std::uint64_t done = 0;
    for (bool found = rows.seek_from(from); found; found = rows.next()) {
      if (done++ == slice_index_rows) {
        from = rows.key();
        more = true;
        break;
      }
      ++report_.records;
      one(rows, walk);
    }
  }
  return {};
}

Result<void> Check::accounts() {
  return each_index_row(Table::accounts,
                        [this](RowCursor& rows, MessageWalk& walk) { one_account(rows, walk); });
}

Result<void> Check::idempotency() {
  return each_index_row(Table::idempotency,
                        [this](RowCursor& rows, MessageWalk& walk) { one_key(rows, walk); });
}

Result<CheckReport> Check::run() {
  if (auto r = check_format(file_); !r) return std::unexpected(r.error());
  if (auto r = whole(); !r) return std::unexpected(r.error());
  if (auto r = messages(); !r) return std::unexpected(r.error());
  if (auto r = accounts(); !r) return std::unexpected(r.error());
  if (auto r = idempotency(); !r) return std::unexpected(r.error());
  report_.faults = faults_.count();
  return report_;
}

}  // namespace

Result<void> check_format(SpoolFile& file) {
  const auto view = file.view();
  if (!view) return std::unexpected(view.error());
  Faults quiet([](const Fault&) {});
  const Tables tables = find_tables(*view, quiet);
  const bool any =
      std::any_of(tables.roots.begin(), tables.roots.end(), [](const auto& r) { return r.has_value(); });
  if (!any && quiet.count() == 0)
    return fail(Errc::invalid, fmt::format("{} holds an LMDB file that is not a spool", file.directory()));
  const auto format = read_meta(*view, tables, quiet).format;
  if (format && !format_number(*format))
    return fail(Errc::invalid,
                fmt::format("the spool {} has format {:?}, and this program knows formats up to {}",
                            file.directory(), format->substr(0, 20), format_version));
  return {};
}

Result<CheckReport> check_spool(SpoolFile& file, const CheckOptions& options, const FaultSink& fault,
                                const OnProgress& progress) {
  return Check(file, options, fault, progress).run();
}

}  // namespace relay::spool
