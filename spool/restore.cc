#include "spool/restore.h"

#include <fmt/format.h>

#include <algorithm>

namespace relay::spool {
namespace {

std::unexpected<Error> illegal(std::size_t recipient, std::string_view what) {
  return fail(Errc::invalid, fmt::format("recipient {} {}", recipient, what));
}

Result<void> check_recipient(std::size_t index, const Restore::Recipient& recipient) {
  std::uint32_t attempts = 0;
  Status status = Status::queued;
  for (const EventRecord& record : recipient.events) {
    if (terminal(status)) return illegal(index, "has an event after its final one");
    if (!leads_to(record.event.type, record.status))
      return illegal(index, fmt::format("has an event {} that is said to have left it {}",
                                        text(record.event.type), text(record.status)));
    if (record.attempts < attempts || (of_attempt(record.event.type) && record.attempts == 0))
      return illegal(index, "has events whose attempts do not add up");
    status = record.status;
    attempts = record.attempts;
  }
  if (status != recipient.status)
    return illegal(index, fmt::format("is {}, and by its events {}", text(recipient.status), text(status)));
  if (attempts != recipient.attempts)
    return illegal(index, fmt::format("has {} attempts, and by its events {}", recipient.attempts, attempts));
  return {};
}

}  // namespace

bool leads_to(EventType type, Status status) {
  switch (type) {
    case EventType::queued: return false;  // it is no event of its own: the message record says it
    case EventType::delivered: return status == Status::delivered;
    case EventType::deferred: return status == Status::queued || status == Status::held;
    case EventType::failed: return status == Status::failed;
    case EventType::held: return status == Status::held;
    case EventType::released:
    case EventType::retried: return status == Status::queued;
    case EventType::cancelled: return status == Status::cancelled;
  }
  return false;
}

Result<void> check_legal(const Restore& restore) {
  const Message& message = *restore.message;
  if (restore.recipients.size() != message.envelope.recipients.size())
    return fail(Errc::invalid, fmt::format("there are {} recipients and {} addresses",
                                           restore.recipients.size(), message.envelope.recipients.size()));
  for (std::size_t i = 0; i < restore.recipients.size(); ++i)
    if (auto r = check_recipient(i, restore.recipients[i]); !r) return r;
  const bool open = std::any_of(restore.recipients.begin(), restore.recipients.end(),
                                [](const auto& recipient) { return !terminal(recipient.status); });
  if (!open) return {};
  if (message.sandbox) return fail(Errc::invalid, "it is a message of the sandbox, and a recipient is open");
  if (!message.body) return fail(Errc::invalid, "a recipient is open, and the content is not there");
  if (message.body->size() != message.size)
    return fail(Errc::invalid, fmt::format("the content is {} bytes long, and should be {}",
                                           message.body->size(), message.size));
  return {};
}

}  // namespace relay::spool
