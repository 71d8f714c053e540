#include "relay-api/key_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <limits>

#include "mta/base/network.h"
#include "mta/wire/address.h"

namespace relay::api {
namespace json = boost::json;
namespace {

constexpr std::uint64_t most_recipients = 100'000;
constexpr std::uint64_t most_bytes = std::uint64_t{1} << 40;
constexpr std::uint64_t most_at_once = 1'000'000;
constexpr std::uint64_t most_a_day = 1'000'000'000;
constexpr std::uint64_t most_sessions = 100'000;
constexpr double least_rate = 0.001;  // as it is stored
constexpr double most_rate = 100'000;

json::array texts(const std::vector<std::string>& all) {
  json::array out;
  for (const auto& text : all) out.emplace_back(text);
  return out;
}

json::value limit(std::uint64_t value) { return value > 0 ? json::value(value) : json::value(nullptr); }

std::optional<std::string> domain(std::string_view text) {
  const bool below = text.starts_with("*.");
  const auto name = wire::parse_domain(below ? text.substr(2) : text);
  if (!name || name->starts_with('[')) return std::nullopt;
  return below ? "*." + *name : *name;
}

std::optional<std::string> address(std::string_view text) {
  auto parsed = wire::parse_address(text, {.utf8 = true});
  if (!parsed) return std::nullopt;
  return std::move(parsed->text);
}

std::optional<std::string> network(std::string_view text) {
  if (!Network::parse(text)) return std::nullopt;
  return std::string(text);
}

void read_texts(Fields& fields, std::string_view name, std::vector<std::string>& into,
                std::optional<std::string> (*read)(std::string_view), const char* expected) {
  if (!fields.given(name)) return;
  into.clear();
  const json::array* entries = fields.take_array(name);
  if (entries == nullptr) return;
  for (std::size_t i = 0; i < entries->size(); ++i) {
    const json::value& entry = (*entries)[i];
    auto text =
        entry.is_string() ? read({entry.get_string().data(), entry.get_string().size()}) : std::nullopt;
    if (!text)
      fields.fault_at(fmt::format("{}/{}", fields.pointer(name), i), "invalid_value", expected);
    else if (std::find(into.begin(), into.end(), *text) == into.end())
      into.push_back(std::move(*text));
  }
}

template <class Number>
void read_number(Fields& fields, std::string_view name, std::uint64_t most, Number& into) {
  if (!fields.given(name)) return;
  into = 0;
  const json::value* value = fields.take(name);
  if (value == nullptr) return;
  json::error_code ec;
  const auto number = value->is_number() && !value->is_double() ? value->to_number<std::uint64_t>(ec) : 0;
  if (ec || number < 1 || number > most)
    return fields.fault(name, "out_of_range",
                        fmt::format("This is a whole number from 1 to {}, or null for no limit.", most));
  into = static_cast<Number>(number);
}

void read_rate(Fields& fields, std::string_view name, std::uint32_t& into) {
  if (!fields.given(name)) return;
  into = 0;
  const json::value* value = fields.take(name);
  if (value == nullptr) return;
  json::error_code ec;
  const double rate = value->is_number() ? value->to_number<double>(ec) : 0;
  const double thousandths = std::round(rate * 1000);
  if (ec || rate < least_rate || rate > most_rate || std::abs(rate * 1000 - thousandths) > 1e-6)
    return fields.fault(
        name, "out_of_range",
        "This is a number from 0.001 to 100000 with at most three decimals, or null for no limit.");
  into = static_cast<std::uint32_t>(thousandths);
}

void read_check(Fields& fields, std::string_view name, spool::SenderCheck& into) {
  using enum spool::SenderCheck;
  if (!fields.given(name)) return;
  into = both;
  const json::string* value = fields.take_string(name);
  if (value == nullptr) return;
  for (const auto check : {both, envelope, header})
    if (spool::text(check) == std::string_view(value->data(), value->size())) {
      into = check;
      return;
    }
  fields.fault(name, "invalid_value", "This is both, envelope or header.");
}

std::size_t text_bytes(const spool::KeyPolicy& policy) {
  std::size_t bytes = 0;
  for (const auto* list : {&policy.domains, &policy.addresses, &policy.networks})
    for (const auto& text : *list) bytes += text.size();
  return bytes;
}

}  // namespace

json::object policy_object(const spool::KeyPolicy& policy) {
  const json::value rate =
      policy.rate > 0 ? json::value(static_cast<double>(policy.rate) / 1000) : json::value(nullptr);
  return {{"sending_domains", texts(policy.domains)},
          {"from_addresses", texts(policy.addresses)},
          {"senders_checked", spool::text(policy.check)},
          {"networks", texts(policy.networks)},
          {"recipients_per_message", limit(policy.recipients)},
          {"message_bytes", limit(policy.message_bytes)},
          {"messages_per_second", rate},
          {"burst_messages", limit(policy.burst)},
          {"messages_per_day", limit(policy.daily)},
          {"sessions", limit(policy.sessions)}};
}

void read_policy(Fields& fields, spool::KeyPolicy& policy) {
  read_texts(fields, "sending_domains", policy.domains, domain,
             "This is a domain, as in example.com, or *.example.com for all below it.");
  read_texts(fields, "from_addresses", policy.addresses, address,
             "This is an address, as in shop@example.com.");
  read_check(fields, "senders_checked", policy.check);
  read_texts(
      fields, "networks", policy.networks, network,
      "This is an IP address or a range of them, as in 192.0.2.0/24, whose bits behind the prefix are zero.");
  read_number(fields, "recipients_per_message", most_recipients, policy.recipients);
  read_number(fields, "message_bytes", most_bytes, policy.message_bytes);
  read_rate(fields, "messages_per_second", policy.rate);
  read_number(fields, "burst_messages", most_at_once, policy.burst);
  read_number(fields, "messages_per_day", most_a_day, policy.daily);
  read_number(fields, "sessions", most_sessions, policy.sessions);
  fields.refuse_unknown();
  if (policy.rate == 0 && !fields.given("burst_messages")) policy.burst = 0;  // it goes with the rate
  if (policy.burst > 0 && policy.rate == 0)
    fields.fault("burst_messages", "conflict", "A burst needs messages_per_second.");
  if (const std::size_t bytes = text_bytes(policy); bytes > policy_text_bytes)
    fields.fault(
        "sending_domains", "too_large",
        fmt::format("Domains, addresses and networks of one key have {} bytes; at most {} are taken. "
                    "Use *.example.com, or several keys.",
                    bytes, policy_text_bytes));
}

}  // namespace relay::api
