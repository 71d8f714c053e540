// Sentences about where a message stands, for people. Pure: the time is passed in.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "spool/types.h"

namespace relay::api {

// One word for the whole message: "queued" while any recipient is; else "held" while any is; else
// "delivered" or "cancelled" if all are; "partially_delivered" if some are; "failed" if none is. "unknown" if
// nobody knows the recipients.
std::string_view overall(std::span<const spool::RecipientState> recipients);

// "now", "in 40 seconds", "in 5 minutes", "in 2 hours 10 minutes", "in 3 days"; in the past, "5 minutes ago".
std::string when(WallTime at, WallTime now);
// Of the next attempt: "now" too if damage has left nothing of when it is due (the zero time).
std::string due(WallTime at, WallTime now);

// What an attempt met: `mx.example.net [192.0.2.1]:25 answered "451 4.7.1 Later" while sending RCPT TO`.
std::string explain(const spool::Event& event);
// "Deferred after 3 attempts; the next is due in 4 minutes. Last, …" `reason`: why it is held or cancelled,
// if not because an administrator wished so.
std::string explain(const spool::RecipientState& recipient, WallTime now, std::string_view reason = {});
// The same of one recipient of the view, with the reason that its events give.
std::string explain(const spool::MessageView& view, std::size_t recipient, WallTime now);
std::string explain(const spool::MessageView& view, WallTime now);

}  // namespace relay::api
