// Sentences about where a message stands, for people. Pure: the time is passed in.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "spool/types.h"

namespace relay::api {

// One word for the whole message: "queued" while any recipient is; else "held" while any is; else
// "delivered" or "cancelled" if all are; "partially_delivered" if some are; "failed" if none is.
std::string_view overall(std::span<const spool::RecipientState> recipients);

// "now", "in 40 seconds", "in 5 minutes", "in 2 hours 10 minutes", "in 3 days"; in the past, "5 minutes ago".
std::string when(WallTime at, WallTime now);

// What an attempt met: `mx.example.net [192.0.2.1]:25 answered "451 4.7.1 Later" while sending RCPT TO`.
std::string explain(const spool::Event& event);
// "Deferred after 3 attempts; the next is due in 4 minutes. Last, …"
std::string explain(const spool::RecipientState& recipient, WallTime now);
std::string explain(const spool::MessageView& view, WallTime now);

}  // namespace relay::api
