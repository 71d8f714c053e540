#include "spool/inspect/check_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>

#include "spool/restore.h"

namespace relay::spool {
namespace {

// One recipient with its rows.
class Recipient {
 public:
  Recipient(const StoredMessage& message, std::uint32_t index, const StoredRow* row,
            std::span<const StoredEvent> events, Faults& faults)
      : message_(message), index_(index), row_(row), events_(events), faults_(faults) {}

  void check() {
    check_events();
    const StoredEvent* last = events_.empty() ? nullptr : &events_.back();
    const bool unreadable = last != nullptr && !last->record;
    const bool finished = last != nullptr && last->record && terminal(last->record->status);
    if (row_ == nullptr) {
      // An unreadable last event without a row in the queue must have been the final one.
      if (!finished && !unreadable)
        fault(FaultKind::recipient_lost, Table::queue, "it has neither a row in the queue nor a final event");
      return;
    }
    if (row_->closed()) {
      if (finished && last->record->status != row_->row->status)
        fault(FaultKind::row_differs, Table::queue,
              fmt::format("its closed row says {}, and its events say {}", text(row_->row->status),
                          text(last->record->status)));
      return;
    }
    if (finished)
      fault(FaultKind::recipient_twice, Table::queue,
            fmt::format("it has a row in the queue, and its last event says {}", text(last->record->status)));
    else if (row_->row)
      check_row(*row_->row, last);
  }

 private:
  void fault(FaultKind kind, Table table, std::string what) {
    faults_.add(
        {.kind = kind, .table = table, .message = message_.id, .recipient = index_, .what = std::move(what)});
  }

  void check_events() {
    Ranges missing;
    std::uint32_t expected = 0, attempts = 0;
    bool finished = false;
    for (const StoredEvent& event : events_) {
      missing.add(expected, event.number);
      expected = event.number + 1;
      if (!event.record) continue;
      const EventRecord& record = *event.record;
      const auto illegal = [&](std::string what) {
        fault(FaultKind::event_illegal, Table::events, fmt::format("event {} {}", event.number, what));
      };
      if (finished) illegal("follows the final one");
      if (!leads_to(record.event.type, record.status))
        illegal(fmt::format("says {}, and that it left the recipient {}", text(record.event.type),
                            text(record.status)));
      if (record.attempts < attempts || (of_attempt(record.event.type) && record.attempts == 0))
        illegal(fmt::format("counts {} attempts, and there were {} before", record.attempts, attempts));
      attempts = std::max(attempts, record.attempts);
      finished = finished || terminal(record.status);
    }
    if (missing.count() > 0)
      fault(FaultKind::event_missing, Table::events, fmt::format("events are not there: {}", missing.text()));
  }

  void check_row(const QueueRecord& row, const StoredEvent* last) {
    const Message& message = message_.record->message;
    const auto differs = [&](std::string what) {
      fault(FaultKind::row_differs, Table::queue, std::move(what));
    };
    const std::uint32_t next = last == nullptr ? 0 : last->number + 1;
    if (row.next_event != next)
      differs(fmt::format("its next event is to be {}, and there are {}", row.next_event, next));
    if (last == nullptr || last->record) {
      const std::uint32_t attempts = last == nullptr ? 0 : last->record->attempts;
      if (row.attempts != attempts)
        differs(fmt::format("its row counts {} attempts, and its events {}", row.attempts, attempts));
      const Status status = last == nullptr ? Status::queued : last->record->status;
      if (row.status != status)
        differs(fmt::format("its row says {}, and its events say {}", text(row.status), text(status)));
    }
    if (row.since != message.since()) differs("its row and the record disagree on when its time began");
    const auto domain = wire::domain_of(message.envelope.recipients[index_].address);
    if (row_->texts.domain != domain)
      differs(
          fmt::format("its row is for the domain {}, and its address says {}", row_->texts.domain, domain));
    if (row_->version >= 2 && (row_->texts.account != message.account.value || row.stream != message.stream))
      differs(fmt::format("its row is of the account {} and {}, and the record says {} and {}",
                          row_->texts.account, text(row.stream), message.account.value,
                          text(message.stream)));
  }

  const StoredMessage& message_;
  std::uint32_t index_;
  const StoredRow* row_;
  std::span<const StoredEvent> events_;
  Faults& faults_;
};

void report_orphan(const StoredMessage& message, Faults& faults) {
  if (message.listed) return;  // its record is damaged, which has been told
  std::string rows;
  for (const auto& [table, count] : {std::pair{Table::rest, std::size_t{message.rest}},
                                     {Table::queue, message.queue.size()},
                                     {Table::events, message.events.size()}})
    if (count > 0) rows += fmt::format("{}{} in {}", rows.empty() ? "" : ", ", count, name(table));
  faults.add({.kind = FaultKind::orphan,
              .table = Table::messages,
              .message = message.id,
              .what = fmt::format("it has no record, but rows: {}", rows.empty() ? "in bodies" : rows)});
}

// Rows of recipients whom the record does not have.
void report_unknown(const StoredMessage& message, std::size_t recipients, Faults& faults) {
  std::map<std::uint32_t, Table> unknown;
  for (const auto& event : message.events)
    if (event.recipient >= recipients) unknown.emplace(event.recipient, Table::events);
  for (const auto& row : message.queue)
    if (row.recipient >= recipients) unknown.insert_or_assign(row.recipient, Table::queue);
  for (const auto& [recipient, table] : unknown)
    faults.add({.kind = FaultKind::recipient_unknown,
                .table = table,
                .message = message.id,
                .recipient = recipient,
                .what = fmt::format("the record has {} recipients, and not this one", recipients)});
}

}  // namespace

void check_message(const StoredMessage& message, Faults& faults) {
  if (!message.record) return report_orphan(message, faults);
  const std::size_t recipients = message.record->message.envelope.recipients.size();
  report_unknown(message, recipients, faults);
  auto row = message.queue.begin();
  auto event = message.events.begin();
  for (std::uint32_t i = 0; i < recipients; ++i) {
    while (row != message.queue.end() && row->recipient < i) ++row;
    const auto first = event;
    while (event != message.events.end() && event->recipient == i) ++event;
    const bool open = row != message.queue.end() && row->recipient == i;
    Recipient(message, i, open ? &*row : nullptr, {first, event}, faults).check();
  }
}

}  // namespace relay::spool
