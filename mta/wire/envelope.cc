#include "mta/wire/envelope.h"

#include <fmt/format.h>

namespace relay::wire {

std::string_view domain_of(std::string_view address) {
  std::size_t at = address.rfind('@');
  return at == std::string_view::npos ? std::string_view() : address.substr(at + 1);
}

std::string Reply::text() const {
  std::string out = std::to_string(code);
  if (!enhanced.empty()) out += ' ' + enhanced;
  for (const auto& line : lines) {
    if (!line.empty()) out += ' ' + line;
  }
  return out;
}

std::string Reply::encode() const {
  const std::string prefix = enhanced.empty() ? std::string() : enhanced + ' ';
  if (lines.empty()) return fmt::format("{} {}\r\n", code, prefix);
  std::string out;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    out += fmt::format("{}{}{}{}\r\n", code, i + 1 < lines.size() ? '-' : ' ', prefix, lines[i]);
  }
  return out;
}

}  // namespace relay::wire
