#include "mta/dns/records.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

namespace relay::dns {
namespace {

unsigned octet(char c) { return static_cast<unsigned char>(c); }

bool label_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// RFC 1035 3.1: length octet and label, up to the root's zero. Compression (4.1.4) does not occur here.
std::optional<std::string> parse_name(std::string_view wire) {
  std::string name;
  while (!wire.empty()) {
    const std::size_t length = octet(wire.front());
    wire.remove_prefix(1);
    if (length == 0) {
      if (!wire.empty() || (!name.empty() && !host_name(name))) return std::nullopt;
      return name;
    }
    if (length > 63 || length > wire.size()) return std::nullopt;
    if (!name.empty()) name += '.';
    const auto label = wire.substr(0, length);
    if (!std::ranges::all_of(label, label_char)) return std::nullopt;
    std::ranges::transform(label, std::back_inserter(name), lower);
    wire.remove_prefix(length);
  }
  return std::nullopt;
}

std::optional<std::string> canonical(int family, const std::string& text) {
  std::array<unsigned char, 16> bytes{};
  if (inet_pton(family, text.c_str(), bytes.data()) != 1) return std::nullopt;
  std::array<char, INET6_ADDRSTRLEN> out{};
  if (!inet_ntop(family, bytes.data(), out.data(), out.size())) return std::nullopt;
  return std::string(out.data());
}

}  // namespace

std::string_view text(Type type) {
  switch (type) {
    case Type::a: return "A";
    case Type::ns: return "NS";
    case Type::cname: return "CNAME";
    case Type::mx: return "MX";
    case Type::txt: return "TXT";
    case Type::aaaa: return "AAAA";
    case Type::tlsa: return "TLSA";
  }
  return "?";
}

std::optional<Mx> parse_mx(std::string_view data) {
  if (data.size() < 3) return std::nullopt;
  auto exchange = parse_name(data.substr(2));
  if (!exchange) return std::nullopt;
  return Mx{static_cast<std::uint16_t>(octet(data[0]) << 8 | octet(data[1])), *std::move(exchange)};
}

std::optional<std::string> parse_address(Type type, std::string_view data) {
  const int family = type == Type::a ? AF_INET : AF_INET6;
  if ((type != Type::a && type != Type::aaaa) || data.size() != (type == Type::a ? 4u : 16u))
    return std::nullopt;
  std::array<char, INET6_ADDRSTRLEN> out{};
  if (!inet_ntop(family, data.data(), out.data(), out.size())) return std::nullopt;
  return std::string(out.data());
}

std::optional<Tlsa> parse_tlsa(std::string_view data) {
  if (data.size() < 4) return std::nullopt;
  const unsigned usage = octet(data[0]), selector = octet(data[1]), matching = octet(data[2]);
  if (usage > 3 || selector > 1 || matching > 2) return std::nullopt;
  const std::string_view rest = data.substr(3);
  if ((matching == 1 && rest.size() != 32) || (matching == 2 && rest.size() != 64)) return std::nullopt;
  return Tlsa{static_cast<Tlsa::Usage>(usage), static_cast<Tlsa::Selector>(selector),
              static_cast<Tlsa::Matching>(matching), std::string(rest)};
}

std::optional<std::string> parse_txt(std::string_view data) {
  if (data.empty()) return std::nullopt;
  std::string text;
  while (!data.empty()) {
    const std::size_t length = octet(data.front());
    data.remove_prefix(1);
    if (length > data.size()) return std::nullopt;
    text += data.substr(0, length);
    data.remove_prefix(length);
  }
  return text;
}

std::optional<std::string> literal_address(std::string_view text) {
  const std::string copy(text);
  if (copy.find('\0') != std::string::npos) return std::nullopt;
  if (auto v4 = canonical(AF_INET, copy)) return v4;
  return canonical(AF_INET6, copy);
}

std::optional<std::string> domain_literal(std::string_view text) {
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') return std::nullopt;
  const std::string inner(text.substr(1, text.size() - 2));
  if (inner.find('\0') != std::string::npos) return std::nullopt;
  constexpr std::string_view tag = "ipv6:";
  std::string head = inner.substr(0, tag.size());
  std::ranges::transform(head, head.begin(), lower);
  if (head == tag) return canonical(AF_INET6, inner.substr(tag.size()));
  return canonical(AF_INET, inner);
}

bool host_name(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > 253) return false;
  std::size_t label = 0;
  for (const char c : name) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
    } else if (!label_char(c) || ++label > 63) {
      return false;
    }
  }
  return label > 0;
}

}  // namespace relay::dns
