#include "spool/inspect/salvage.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "spool/restore.h"

namespace relay::spool {
namespace {

class One {
 public:
  One(std::string address, std::vector<std::string>& notes) : address_(std::move(address)), notes_(notes) {}

  // The events that can be read and go together; true if any were left out.
  bool take_events(std::span<const StoredEvent> events) {
    bool left_out = false;
    std::uint32_t expected = 0;
    for (const StoredEvent& event : events) {
      left_out |= event.number != expected;
      expected = event.number + 1;
      if (event.record && fits(*event.record))
        result.events.push_back(*event.record);
      else
        left_out = true;
    }
    if (left_out) note("a part of the history is left out");
    return left_out;
  }

  // `was_finished`: it had no row in the queue, and the event that says how it ended may have been lost.
  void settle(const StoredRow* row, bool was_finished, bool content, const Message& message, WallTime now) {
    const EventRecord* last = result.events.empty() ? nullptr : &result.events.back();
    result.attempts = last != nullptr ? last->attempts : 0;
    result.status = last != nullptr ? last->status : Status::queued;
    const bool closed = row != nullptr && row->closed();
    if (terminal(result.status)) {
      if (row != nullptr && !closed) note("it is in the queue too, but counts as finished");
      return;
    }
    if (closed) {
      result.attempts = std::max(result.attempts, row->row->attempts);
      return become(row->row->status, now);
    }
    if (row != nullptr && !content) return give_up(*row, now);
    result.due = row != nullptr && row->row ? row->row->due : message.since();
    if (row != nullptr) {
      if (!row->row)
        note(fmt::format("its row in the queue cannot be read; it counts as {}", text(result.status)));
      if (row->row && row->row->status != result.status) become(row->row->status, now);
      return;
    }
    if (was_finished || !content) {
      note("how it ended is lost; it counts as cancelled");
      become(Status::cancelled, now);
    } else {
      note("whether it was delivered is lost; it is held until you release or cancel it");
      become(Status::held, now);
    }
  }

  Restore::Recipient result;
  bool given_up = false;  // was open, and there is no content to deliver

 private:
  bool fits(const EventRecord& record) const {
    const bool over = !result.events.empty() && terminal(result.events.back().status);
    const std::uint32_t attempts = result.events.empty() ? 0 : result.events.back().attempts;
    return !over && leads_to(record.event.type, record.status) && record.attempts >= attempts &&
           !(of_attempt(record.event.type) && record.attempts == 0);
  }

  // An open recipient without content is nothing that a spool takes.
  void give_up(const StoredRow& row, WallTime now) {
    given_up = true;
    if (row.row) result.attempts = std::max(result.attempts, row.row->attempts);
    become(Status::cancelled, now, "the content of the message was damaged");
  }

  // By an event of its own, so that the history says why.
  void become(Status status, WallTime now,
              std::string_view why = "what the spool knew of this recipient was damaged") {
    EventRecord record;
    record.event.type = type_of(status);
    record.event.at = now;
    record.event.detail = why;
    record.status = status;
    record.attempts = result.attempts;
    result.events.push_back(std::move(record));
    result.status = status;
  }

  static EventType type_of(Status status) {
    switch (status) {
      case Status::held: return EventType::held;
      case Status::delivered: return EventType::delivered;
      case Status::failed: return EventType::failed;
      case Status::cancelled: return EventType::cancelled;
      case Status::queued: break;
    }
    return EventType::released;
  }

  void note(std::string_view what) { notes_.push_back(fmt::format("recipient {}: {}", address_, what)); }

  std::string address_;
  std::vector<std::string>& notes_;
};

}  // namespace

bool Salvaged::open() const {
  return restore && std::any_of(restore->recipients.begin(), restore->recipients.end(),
                                [](const auto& recipient) { return !terminal(recipient.status); });
}

Salvaged salvage(const StoredMessage& message, bool content, Soundness tables, WallTime now) {
  Salvaged saved;
  if (!message.record) {
    saved.notes.push_back(
        fmt::format("it cannot be exported: its record is {}; {} of its recipients were open",
                    message.listed ? "damaged" : "lost", message.open_rows()));
    return saved;
  }
  saved.restore.emplace();
  saved.restore->message = std::make_shared<const Message>(message.record->message);
  const auto& recipients = message.record->message.envelope.recipients;
  auto row = message.queue.begin();
  auto event = message.events.begin();
  for (std::uint32_t i = 0; i < recipients.size(); ++i) {
    while (row != message.queue.end() && row->recipient < i) ++row;
    const auto first = event;
    while (event != message.events.end() && event->recipient == i) ++event;
    const bool in_queue = row != message.queue.end() && row->recipient == i;
    One one(recipients[i].address, saved.notes);
    const bool lost = one.take_events({first, event});
    one.settle(in_queue ? &*row : nullptr, tables.queue && (lost || !tables.events), content,
               message.record->message, now);
    saved.restore->recipients.push_back(std::move(one.result));
    if (one.given_up) ++saved.given_up;
  }
  if (saved.given_up > 0)
    saved.notes.push_back(fmt::format("its content is damaged and left out; its {} open {} as cancelled",
                                      saved.given_up,
                                      saved.given_up == 1 ? "recipient counts" : "recipients count"));
  return saved;
}

}  // namespace relay::spool
