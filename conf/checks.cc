#include "conf/checks.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>
#include <vector>

#include "mta/base/network.h"

namespace relay::conf {
namespace {

bool letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
         std::ranges::all_of(label, [](char c) { return letter_or_digit(c) || c == '-' || c == '_'; });
}

bool is_address(int family, std::string_view text) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return text.find('\0') == std::string_view::npos &&
         ::inet_pton(family, std::string(text).c_str(), bytes.data()) == 1;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

}  // namespace

std::optional<std::string> check_host_name(std::string_view text) {
  if (text.size() > 253) return "is longer than a host name can be (253)";
  std::string_view rest = text;
  while (true) {
    const std::size_t dot = rest.find('.');
    if (!is_label(rest.substr(0, dot))) return "is not a host name";
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  // The last label is never a number (RFC 1123 2.1), which tells names from addresses.
  if (std::ranges::all_of(rest, [](char c) { return c >= '0' && c <= '9'; }))
    return "is an address, not a host name";
  return std::nullopt;
}

std::optional<std::string> check_domain(std::string_view text) {
  if (auto wrong = check_host_name(text)) return wrong;
  if (std::ranges::any_of(text, [](char c) { return c >= 'A' && c <= 'Z'; })) return "must be in lower case";
  return std::nullopt;
}

std::optional<std::string> check_address(std::string_view text) {
  if (is_address(AF_INET, text) || is_address(AF_INET6, text)) return std::nullopt;
  return "is not an IP address";
}

std::optional<std::string> check_route_pattern(std::string_view text) {
  if (text == "*") return std::nullopt;
  std::string_view domain = text;
  if (domain.starts_with("*.")) domain.remove_prefix(2);
  if (check_host_name(domain)) return "is neither a domain, *.domain nor *";
  return check_domain(domain);
}

std::optional<std::string> check_address_range(std::string_view text) {
  if (text == "loopback" || Network::parse(text)) return std::nullopt;
  return "is neither ADDRESS, ADDRESS/BITS (with no bits set behind) nor loopback";
}

std::optional<std::string> check_dns_server(std::string_view text) {
  const std::size_t at = text.find('@');
  if (check_address(text.substr(0, at)) || (at != std::string_view::npos && !parse_port(text.substr(at + 1))))
    return "is neither ADDRESS nor ADDRESS@PORT";
  return std::nullopt;
}

std::optional<std::string> check_trust_anchor(std::string_view text) {
  constexpr std::string_view wrong = "is no DS or DNSKEY record, as in example.com. DS 12345 13 2 ABCD...";
  const auto number = [](const std::string& word) {
    return !word.empty() && word.size() <= 10 && word.find_first_not_of("0123456789") == std::string::npos;
  };
  std::vector<std::string> words;
  std::istringstream in{std::string(text)};
  for (std::string word; in >> word;) words.push_back(word);
  if (text.find_first_of("\n\r\"") != std::string_view::npos || words.empty()) return std::string(wrong);
  std::string_view zone = words.front();
  if (zone.ends_with('.')) zone.remove_suffix(1);
  if (words.front() != "." && check_host_name(zone)) return std::string(wrong);
  words.erase(words.begin());
  while (!words.empty() && (number(words.front()) || words.front() == "IN")) words.erase(words.begin());
  if (words.size() < 5) return std::string(wrong);
  const bool ds = words[0] == "DS", key = words[0] == "DNSKEY";
  const bool numbers = number(words[1]) && number(words[2]) && number(words[3]);
  std::string data;
  for (std::size_t i = 4; i < words.size(); ++i) data += words[i];
  const auto fits = [&](char c) {
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    return hex || (key && (letter_or_digit(c) || c == '+' || c == '/' || c == '='));
  };
  if ((!ds && !key) || !numbers || !std::ranges::all_of(data, fits)) return std::string(wrong);
  return std::nullopt;
}

Result<queue::HostPort> parse_host_port(std::string_view text) {
  const auto refused = [] { return fail(Errc::invalid, "is not HOST, HOST:PORT or [IPv6]:PORT"); };
  queue::HostPort result;
  std::string_view host = text, port;
  if (text.starts_with("[")) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return refused();
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!is_address(AF_INET6, host)) return refused();
  } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon);
  }
  if (!port.empty()) {
    const auto number = port.front() == ':' ? parse_port(port.substr(1)) : std::nullopt;
    if (!number) return refused();
    result.port = *number;
  }
  if (check_address(host) && check_host_name(host)) return refused();
  result.host = host;
  return result;
}

}  // namespace relay::conf
