#include "relay-api/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace relay::api {
namespace {

using spool::Status;

std::string counted(std::int64_t n, std::string_view unit) {
  return fmt::format("{} {}{}", n, unit, n == 1 ? "" : "s");
}

// Two units at most: who waits for days does not ask for seconds.
std::string in_words(std::chrono::seconds span) {
  const std::int64_t s = span.count();
  if (s < 60) return counted(s, "second");
  if (s < 3600)
    return s < 600 && s % 60 != 0 ? counted(s / 60, "minute") + " " + counted(s % 60, "second")
                                  : counted(s / 60, "minute");
  if (s < 86400) {
    const std::int64_t minutes = s % 3600 / 60;
    return minutes != 0 ? counted(s / 3600, "hour") + " " + counted(minutes, "minute")
                        : counted(s / 3600, "hour");
  }
  const std::int64_t hours = s % 86400 / 3600;
  return hours != 0 ? counted(s / 86400, "day") + " " + counted(hours, "hour") : counted(s / 86400, "day");
}

std::size_t count(std::span<const spool::RecipientState> recipients, Status status) {
  return static_cast<std::size_t>(
      std::count_if(recipients.begin(), recipients.end(), [&](const auto& r) { return r.status == status; }));
}

std::string explain_queued(const spool::RecipientState& recipient, WallTime now) {
  const std::string next = due(recipient.next_attempt, now);
  if (recipient.attempts == 0) return fmt::format("Waiting for its first attempt, due {}.", next);
  std::string sentence = fmt::format("Deferred after {}; the next attempt is due {}.",
                                     counted(recipient.attempts, "attempt"), next);
  if (recipient.last) sentence += fmt::format(" Last time, {}.", explain(*recipient.last));
  return sentence;
}

std::string explain_final(std::string_view what, const spool::RecipientState& recipient, WallTime now) {
  if (!recipient.last) return fmt::format("{}.", what);
  return fmt::format("{} {}: {}.", what, when(recipient.last->at, now), explain(*recipient.last));
}

// Of a status that an administrator sets, unless damage has led to it.
std::string explain_set(std::string_view what, std::string_view reason, std::string_view then) {
  if (reason.empty()) return fmt::format("{} by an administrator; {}.", what, then);
  return fmt::format("{}: {}; {}.", what, reason, then);
}

// Before its time, and not yet tried.
bool is_scheduled(const spool::MessageView& view, std::size_t recipient, WallTime now) {
  const spool::RecipientState& state = view.recipients.at(recipient);
  const auto& scheduled = view.message.scheduled;
  return scheduled && *scheduled > now && state.status == Status::queued && state.attempts == 0 &&
         state.next_attempt == *scheduled;
}

// The detail of the last event that held or cancelled a recipient who is so.
std::string_view reason_of(const spool::MessageView& view, std::size_t recipient) {
  const auto type = view.recipients.at(recipient).status == Status::held ? spool::EventType::held
                                                                         : spool::EventType::cancelled;
  std::string_view reason;
  for (const spool::Event& event : view.events)
    if (event.recipient == recipient && event.type == type) reason = event.detail;
  return reason;
}

}  // namespace

std::string_view overall(std::span<const spool::RecipientState> recipients) {
  if (recipients.empty()) return "unknown";
  if (count(recipients, Status::queued) > 0) return "queued";
  if (count(recipients, Status::held) > 0) return "held";
  const std::size_t delivered = count(recipients, Status::delivered);
  if (delivered == recipients.size()) return "delivered";
  if (delivered > 0) return "partially_delivered";
  return count(recipients, Status::cancelled) == recipients.size() ? "cancelled" : "failed";
}

std::string when(WallTime at, WallTime now) {
  // To the nearest second, so that "in 60 seconds" does not become 59 on its way here.
  const auto gap = std::chrono::round<std::chrono::seconds>(at - now);
  if (gap == std::chrono::seconds(0)) return "now";
  return gap.count() > 0 ? "in " + in_words(gap) : in_words(-gap) + " ago";
}

std::string due(WallTime at, WallTime now) { return at == WallTime() ? "now" : when(at, now); }

std::string explain(const spool::Event& event) {
  const std::string host = event.host.empty() ? "the host" : event.host;
  std::string words;
  if (event.reply.code != 0) {
    words = fmt::format("{} answered \"{}\"", host, event.reply.text());
    // Where a refusal came tells something; where everything went well does not.
    if (!event.stage.empty() && !event.reply.positive()) words += fmt::format(" while {}", event.stage);
  } else {
    words = event.detail.empty() ? "the attempt ended without an answer" : event.detail;
    if (!event.host.empty()) words += fmt::format(", with {}", event.host);
  }
  if (event.in_doubt) words += "; the message had been sent by then, so the host may have it";
  return words;
}

std::string explain(const spool::RecipientState& recipient, WallTime now, std::string_view reason) {
  switch (recipient.status) {
    case Status::queued: return explain_queued(recipient, now);
    case Status::held: return explain_set("Held", reason, "it waits until it is released");
    case Status::delivered: return explain_final("Delivered", recipient, now);
    case Status::failed: return explain_final("Failed for good", recipient, now);
    case Status::cancelled: return explain_set("Cancelled", reason, "it will not be delivered");
  }
  return "In a state this version does not know.";
}

std::string explain(const spool::MessageView& view, std::size_t recipient, WallTime now) {
  if (is_scheduled(view, recipient, now))
    return fmt::format("Scheduled for {}, {}.", format_rfc3339(*view.message.scheduled),
                       when(*view.message.scheduled, now));
  return explain(view.recipients.at(recipient), now, reason_of(view, recipient));
}

std::string explain(const spool::MessageView& view, WallTime now) {
  if (view.recipients.empty() && !view.damage.empty())
    return "What became of it is not known: its record is damaged.";
  if (view.recipients.size() == 1) return explain(view, 0, now);
  std::string sentence;
  for (const Status status :
       {Status::delivered, Status::queued, Status::held, Status::failed, Status::cancelled}) {
    const std::size_t n = count(view.recipients, status);
    if (n > 0) sentence += fmt::format("{}{} {}", sentence.empty() ? "" : ", ", n, text(status));
  }
  sentence = fmt::format("Of {} recipients: {}.", view.recipients.size(), sentence);
  const spool::RecipientState* next = nullptr;
  for (const auto& recipient : view.recipients)
    if (recipient.status == Status::queued &&
        (next == nullptr || recipient.next_attempt < next->next_attempt))
      next = &recipient;
  if (next != nullptr) sentence += fmt::format(" The next attempt is due {}.", due(next->next_attempt, now));
  return sentence;
}

}  // namespace relay::api
