#include "relay-api/refusal.h"

#include <string>
#include <utility>
#include <vector>

namespace relay::api {

Problem refusal_problem(const intake::Refusal& refusal, std::uint32_t retry_after) {
  std::string detail;  // the sentence alone: SMTP's codes mean nothing here
  for (const std::string& line : refusal.reply.lines) detail += (detail.empty() ? "" : " ") + line;
  if (!detail.ends_with('.')) detail += '.';
  const auto wait = refusal.wait.count() > 0 ? refusal.wait.count() : retry_after;
  const std::vector<std::pair<std::string, std::string>> later{{"Retry-After", std::to_string(wait)}};
  using enum intake::Refused;
  switch (refusal.reason) {
    case too_large:
    case header_too_large: return {413, "content_too_large", detail, {}, {}};
    // Over SMTP the rest may follow in another transaction; here nothing was taken.
    case too_many_recipients: return {422, "too_many_recipients", detail, {}, {}};
    case no_recipients:
    case loop:
    case attributes:
    case too_deep: return {422, "refused", detail, {}, {}};
    case key: return {403, "key_revoked", detail, {}, {}};
    case network: return {403, "address_not_allowed", detail, {}, {}};
    case sender: return {403, "sender_not_allowed", detail, {}, {}};
    case rate_limit: return {429, "rate_limited", detail, {}, later};  // RFC 6585 4
    case daily_limit: return {429, "daily_limit", detail, {}, later};
    case full: return {507, "insufficient_storage", detail, {}, later};  // RFC 4918 11.5
    case busy: return {503, "overloaded", detail, {}, later};
    case unavailable:
    case failed: break;
  }
  return {503, "storage_unavailable", detail, {}, later};
}

}  // namespace relay::api
