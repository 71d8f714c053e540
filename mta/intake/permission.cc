#include "mta/intake/permission.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "mta/base/utf8.h"
#include "mta/mime/compose.h"
#include "mta/wire/ascii.h"
#include "mta/wire/headers.h"

namespace relay::intake {
namespace {

Refusal refusal(Refused reason, int code, const char* enhanced, std::string text) {
  return {.reason = reason, .reply = {code, enhanced, {std::move(text)}}};
}

// Whether it is the domain, or below it if that is "*.domain".
bool covers(std::string_view allowed, std::string_view domain) {
  if (!allowed.starts_with("*.")) return allowed == domain;
  return domain.size() > allowed.size() - 1 && domain.ends_with(allowed.substr(1));
}

bool allowed(const spool::KeyPolicy& policy, std::string_view address) {
  const std::string_view domain = wire::domain_of(address);
  return std::ranges::any_of(policy.domains, [&](const std::string& d) { return covers(d, domain); }) ||
         std::ranges::any_of(policy.addresses,
                             [&](const std::string& a) { return wire::equal_ignoring_case(a, address); });
}

// A reply's line has 512 bytes (RFC 5321 4.5.3.1.5), and clients that know no UTF-8 read it.
std::string shown(std::string_view text, std::size_t limit = 100) {
  if (std::ranges::any_of(text, [](char c) { return c < ' ' || c > '~'; })) return "that address";
  return text.size() <= limit ? std::string(text) : std::string(text.substr(0, limit)) + "...";
}

// "a@example.org, example.com and 3 more"
std::string senders(const spool::KeyPolicy& policy) {
  constexpr std::size_t enough = 160;
  std::vector<std::string_view> all(policy.addresses.begin(), policy.addresses.end());
  all.insert(all.end(), policy.domains.begin(), policy.domains.end());
  std::string list;
  std::size_t named = 0;
  for (; named < all.size(); ++named) {
    if (named > 0 && list.size() + all[named].size() > enough) break;
    if (named > 0) list += named + 1 == all.size() ? " or " : ", ";
    list += shown(all[named]);
  }
  return named == all.size() ? list : fmt::format("{} and {} more", list, all.size() - named);
}

// `what`: "a From address".
Refusal not_as(const spool::KeyPolicy& policy, std::string_view address, const char* what) {
  const bool by_domain = policy.addresses.empty();
  return refusal(
      Refused::sender, 550, "5.7.1",
      fmt::format("This key may not send as {}, only as {}; use such {} or ask for the {} to be added",
                  shown(by_domain ? wire::domain_of(address) : address), senders(policy), what,
                  by_domain ? "domain" : "address"));
}

// RFC 3463 3.7: the message cannot be judged as it is written.
Refusal unclear(std::string text) { return refusal(Refused::sender, 554, "5.6.0", std::move(text)); }

// Names in another character set, as old programs write them raw, do not matter as long as every reader finds
// the same addresses. In sets of two bytes a character the second can look like these.
Result<std::vector<mime::Mailbox>> mailboxes_of(const std::string& value) {
  constexpr std::string_view second_bytes = "@[\\]";
  if (valid_utf8(value)) return mime::parse_mailboxes(value);
  std::string one = value, other = value;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (!wire::is_eight_bit(value[i])) continue;
    if (i + 1 < value.size() && second_bytes.contains(value[i + 1]))
      return fail(Errc::invalid, "is not valid UTF-8 and can be read in several ways");
    one[i] = 'x';
    other[i] = 'y';
  }
  auto first = mime::parse_mailboxes(one);
  const auto second = mime::parse_mailboxes(other);
  if (!first || !second) return first ? second : first;
  if (!std::ranges::equal(*first, *second, {}, &mime::Mailbox::address, &mime::Mailbox::address))
    return fail(Errc::invalid, "has an address that is not valid UTF-8");
  return first;
}

std::optional<Refusal> check_field(const spool::KeyPolicy& policy, std::string_view name,
                                   const std::string& value, const char* what) {
  const auto mailboxes = mailboxes_of(value);
  if (!mailboxes)
    return unclear(fmt::format("The {} field {}, so it cannot be told whether this key may send it", name,
                               mailboxes.error().message));
  for (const auto& mailbox : *mailboxes)
    if (!allowed(policy, mailbox.address)) return not_as(policy, mailbox.address, what);
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> check_network(const spool::KeyPolicy& policy, std::span<const Network> networks,
                                     std::string_view address) {
  const auto holds = [&](const Network& network) { return network.contains(address); };
  if (policy.networks.empty() || std::ranges::any_of(networks, holds)) return std::nullopt;
  return refusal(
      Refused::network, 550, "5.7.1",
      fmt::format("This key may not be used from {}; ask for the address to be added to the key's networks",
                  address.empty() ? "here" : shown(address)));
}

std::optional<Refusal> check_reverse_path(const spool::KeyPolicy& policy, std::string_view reverse_path) {
  if (!policy.names_senders() || policy.check == spool::SenderCheck::header) return std::nullopt;
  if (reverse_path.empty() && policy.check == spool::SenderCheck::both) return std::nullopt;
  if (reverse_path.empty())
    return refusal(
        Refused::sender, 550, "5.7.1",
        fmt::format("This key may not send with the null sender, only as {}; use such a sender address",
                    senders(policy)));
  if (allowed(policy, reverse_path)) return std::nullopt;
  return not_as(policy, reverse_path, "a sender address");
}

std::optional<Refusal> check_header(const spool::KeyPolicy& policy, const Body& content,
                                    std::size_t header_bytes) {
  if (!policy.names_senders() || policy.check == spool::SenderCheck::envelope) return std::nullopt;
  const wire::SenderFields fields = wire::sender_fields(content, header_bytes);
  if (fields.from.empty())
    return unclear(fmt::format("The message has no From field, and this key may send only as {}; add one",
                               senders(policy)));
  if (fields.from.size() > 1) return unclear("The message has more than one From field; send it with one");
  if (fields.sender.size() > 1)
    return unclear("The message has more than one Sender field; send it with one or none");
  if (!fields.sound)
    return unclear("A line of the header section is no field, so it cannot be told who sends; leave it out");
  if (auto refused = check_field(policy, "From", fields.from.front(), "a From address")) return refused;
  if (fields.sender.empty()) return std::nullopt;
  return check_field(policy, "Sender", fields.sender.front(), "a Sender address");
}

std::optional<Refusal> check_size(const spool::KeyPolicy& policy, std::uint64_t bytes) {
  if (policy.message_bytes == 0 || bytes <= policy.message_bytes) return std::nullopt;
  return refusal(
      Refused::too_large, 552, "5.3.4",
      fmt::format("Message is larger than the {} bytes this key may send; send less or ask for more",
                  policy.message_bytes));
}

std::optional<Refusal> check_recipients(const spool::KeyPolicy& policy, std::size_t recipients) {
  if (policy.recipients == 0 || recipients <= policy.recipients) return std::nullopt;
  return refusal(
      Refused::too_many_recipients, 452, "4.5.3",
      fmt::format("This key may send a message to {} recipients; send to the others in another one",
                  policy.recipients));
}

Refusal not_a_key() {
  return refusal(Refused::key, 550, "5.7.1", "This key does not count any more; use another");
}

// RFC 3463 4.7.1: who sends may, but not now.
Refusal over_limit(const spool::KeyPolicy& policy, const KeyUse::Over& over) {
  const auto wait = over.wait.count();
  const bool day = over.limit == KeyUse::Over::Limit::day;
  Refusal refused =
      day ? refusal(
                Refused::daily_limit, 452, "4.7.1",
                fmt::format(
                    "This key may send {} messages a day, and has; try again in {} seconds, at midnight UTC",
                    policy.daily, wait))
          : refusal(Refused::rate_limit, 451, "4.7.1",
                    fmt::format("This key may send {} messages a second, {} at once; try again in {} seconds",
                                policy.rate / 1000.0, policy.most_at_once(), wait));
  refused.wait = over.wait;
  return refused;
}

}  // namespace relay::intake
