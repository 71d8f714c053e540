#include "relay-api/query.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace relay::api {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::uint32_t> parse_number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::string> decode_percent(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high << 4 | low);
      i += 2;
    }
  }
  return out;
}

std::string encode_percent(std::string_view text) {
  std::string out;
  for (char c : text) {
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                            c == '-' || c == '.' || c == '_' || c == '~';  // RFC 3986 2.3
    if (unreserved)
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

Query::Query(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    auto name = decode_percent(pair.substr(0, equals));
    auto value =
        decode_percent(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1));
    if (!name || !value) {
      fault(pair.substr(0, equals), "invalid_escape",
            "A % in the query is not followed by two hexadecimal digits.");
      continue;
    }
    const bool known =
        std::any_of(parameters_.begin(), parameters_.end(), [&](const auto& p) { return p.first == *name; });
    if (known)
      fault(*name, "duplicate", "This parameter is given twice.");
    else
      parameters_.emplace_back(std::move(*name), std::move(*value));
  }
}

std::optional<std::string> Query::text(std::string_view name) {
  const auto found =
      std::find_if(parameters_.begin(), parameters_.end(), [&](const auto& p) { return p.first == name; });
  if (found == parameters_.end()) return std::nullopt;
  std::string value = std::move(found->second);
  parameters_.erase(found);
  if (value.empty()) return std::nullopt;
  return value;
}

std::uint32_t Query::number(std::string_view name, std::uint32_t without, std::uint32_t least,
                            std::uint32_t most) {
  const auto given = text(name);
  if (!given) return without;
  const auto value = parse_number(*given);
  if (value && *value >= least && *value <= most) return *value;
  fault(name, "out_of_range", fmt::format("{} is a number from {} to {}.", name, least, most));
  return without;
}

std::optional<MessageId> Query::message(std::string_view name) {
  const auto given = text(name);
  if (!given) return std::nullopt;
  auto id = MessageId::parse(*given);
  if (!id)
    fault(name, "invalid_id", fmt::format("{} is a message's id, as in msg_ and 26 characters.", name));
  return id;
}

std::optional<RecipientRef> Query::recipient(std::string_view name) {
  const auto given = text(name);
  if (!given) return std::nullopt;
  const std::size_t dot = std::min(given->find('.'), given->size());
  const auto id = MessageId::parse(std::string_view(*given).substr(0, dot));
  const auto index =
      dot < given->size() ? parse_number(std::string_view(*given).substr(dot + 1)) : std::nullopt;
  if (id && index) return RecipientRef{*id, *index};
  fault(name, "invalid_cursor", fmt::format("{} is what an earlier page gave as next.", name));
  return std::nullopt;
}

void Query::fault(std::string_view name, std::string code, std::string detail) {
  faults_.push_back({Fault::In::query, std::string(name), std::move(code), std::move(detail)});
}

std::optional<Problem> Query::finish() {
  for (const auto& [name, value] : parameters_)
    fault(name, "unknown_parameter", "There is no parameter of this name.");
  if (faults_.empty()) return std::nullopt;
  return Problem{400, "invalid_query", "The query of the request is wrong.", std::move(faults_), {}};
}

std::string cursor_of(const RecipientRef& ref) { return fmt::format("{}.{}", ref.message.text(), ref.index); }

}  // namespace relay::api
