#include "spool/inspect/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "spool/preflight.h"
#include "spool/records.h"

namespace relay::spool {
namespace {

constexpr std::size_t id_bytes = 16;

std::string from(Table table, const DamagedPage& damaged) {
  if (!begins_with_id(table)) return {};
  return fmt::format("; its rows were from {} to {}", id_in(damaged.first, "the first"),
                     id_in(damaged.end, "the last"));
}

}  // namespace

void Faults::add(Fault fault) {
  ++count_;
  if (fault.means.empty()) fault.means = means(fault.kind);
  sink_(std::move(fault));
}

void Faults::page(std::optional<Table> table, const DamagedPage& damaged) {
  if (!pages_.insert(damaged.page).second) return;
  if (table) ++damaged_[static_cast<std::size_t>(*table)];
  add({.kind = FaultKind::page_damaged,
       .table = table,
       .page = damaged.page,
       .what = fmt::format("page {} is damaged: {}{}", damaged.page, damaged.fault.what,
                           table ? from(*table, damaged) : std::string())});
}

Tables find_tables(const View& view, Faults& faults) {
  Tables tables;
  const auto each = [&](std::string_view of, const std::optional<TreeRoot>& root) {
    const auto known =
        std::find_if(all_tables.begin(), all_tables.end(), [&](Table table) { return name(table) == of; });
    if (known == all_tables.end() || !root)
      tables.unknown.emplace_back(of);
    else
      tables.roots[static_cast<std::size_t>(*known)] = *root;
  };
  each_table(view.pages(), view.meta().main, each, faults.pages_of(std::nullopt));
  Faults quiet([](const Fault&) {});  // whoever reads the table itself tells them
  RowCursor meta(view, tables, Table::meta, quiet);
  if (meta.seek_from("format") && meta.key() == "format")
    if (const auto text = meta.value()) tables.format = format_number(*text).value_or(0);
  return tables;
}

RowCursor::RowCursor(const View& view, const Tables& tables, Table table, Faults& faults)
    : pages_(view.pages()),
      tree_(pages_, tables[table].value_or(TreeRoot{}), faults.pages_of(table)),
      loose_(pages_, tables.loose_of(table)),
      table_(table),
      value_bytes_(view.file().value_bytes()),
      faults_(&faults) {}

// On the lower of both; a row that both have is that of the tree.
bool RowCursor::settle() {
  while (loose_.valid() && tree_.valid() && loose_.key() == tree_.key()) loose_.next();
  on_loose_ = loose_.valid() && (!tree_.valid() || loose_.key() < tree_.key());
  return valid();
}

bool RowCursor::seek_from(std::string_view key) {
  const std::string wanted(key);
  tree_.seek_from(wanted);
  loose_.seek_from(wanted);
  return settle();
}

bool RowCursor::next() {
  if (!valid()) return false;
  on_loose_ ? loose_.next() : tree_.next();
  return settle();
}

std::optional<std::string> RowCursor::last_key() {
  if (!loose_.empty()) return std::nullopt;  // the tree is damaged: it cannot be told
  return tree_.last_key();
}

std::expected<std::string_view, PageFault> RowCursor::value() {
  constexpr std::uint64_t longest = 1u << 20;  // of a value that is read at all; see FaultKind::value_long
  return read_value(pages_, where(), longest, buffer_);
}

void RowCursor::damaged(FaultKind kind, std::string what) {
  Fault fault{.kind = kind, .table = table_, .what = std::move(what)};
  if (begins_with_id(table_) && key().size() >= id_bytes) fault.message = message_of(key());
  if ((table_ == Table::queue || table_ == Table::events) && key().size() >= id_bytes + 4)
    fault.recipient = recipient_of(key()).index;
  if (table_ == Table::messages)
    fault.means = "The message cannot be read, and what is open of it is not delivered.";
  else if (table_ == Table::bodies || table_ == Table::rest)
    fault.means = "What is open of the message cannot be delivered.";
  else if (table_ == Table::queue)
    fault.means = "The recipient is open, and is not delivered.";
  else if (table_ == Table::events)
    fault.means = "A part of the recipient's history is lost.";
  else if (table_ == Table::keys)
    fault.means = "The API key is not accepted.";
  else if (table_ == Table::usage)
    fault.means = "What the API key has sent today counts from nothing at the next start.";
  else if (table_ == Table::idempotency)
    fault.means = "Mail that comes again with the same idempotency key is sent a second time.";
  if (kind == FaultKind::value_long) fault.means.clear();
  faults_->add(std::move(fault));
}

std::optional<Payload> RowCursor::payload() {
  const auto part = [&]() -> std::string {
    if (table_ == Table::bodies && key().size() == id_bytes + 4)
      return fmt::format("chunk {} of the content", recipient_of(key()).index);
    if (table_ == Table::rest && key().size() == id_bytes + 4)
      return fmt::format("part {} of the record", recipient_of(key()).index + 1);
    if (table_ == Table::events && key().size() == key_bytes(Table::events))
      return fmt::format("event {}", event_number(key()));
    if (table_ == Table::queue) return "its row in the queue";
    if (table_ == Table::keys) return fmt::format("the API key {}", key());
    if (table_ == Table::usage) return fmt::format("the count of the API key {}", key());
    return "its record";
  };
  const auto bytes = value();
  if (!bytes) {
    damaged(FaultKind::record_damaged, fmt::format("{} cannot be read: {}", part(), bytes.error().what));
    return std::nullopt;
  }
  if (bytes->size() > value_bytes_)
    damaged(FaultKind::value_long, fmt::format("{} is longer than a page", part()));
  const auto payload = open_frame(table_, key(), *bytes);
  if (!payload)
    damaged(FaultKind::record_damaged, fmt::format("{} is damaged: its checksum does not hold", part()));
  return payload;
}

void RowCursor::meaningless() {
  damaged(FaultKind::record_meaningless, "its checksum holds, but its fields have no legal meaning");
}

std::size_t key_bytes(Table table) {
  switch (table) {
    case Table::meta:
    case Table::keys:
    case Table::usage: return 0;
    case Table::messages: return id_bytes;
    case Table::rest:
    case Table::bodies:
    case Table::queue: return id_bytes + 4;
    case Table::events: return id_bytes + 8;
    case Table::accounts: return id_bytes + 8;
    case Table::idempotency: return 16;
  }
  return 0;
}

}  // namespace relay::spool
