#include "mta/wire/headers.h"

#include <algorithm>
#include <utility>

#include "mta/wire/ascii.h"

namespace relay::wire {
namespace {

constexpr std::size_t value_limit = 1000;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The beginning of the body as one view: the first segment as it is where it suffices, else a joined copy.
std::string_view beginning(const Body& body, std::size_t limit, std::string& joined) {
  const auto& segments = body.segments();
  if (segments.empty()) return {};
  std::string_view first(segments.front());
  if (segments.size() == 1 || first.size() >= limit || first.find("\r\n\r\n") != std::string_view::npos) {
    return first.substr(0, limit);
  }
  for (const auto& s : segments) {
    if (joined.size() >= limit) break;
    joined.append(s, 0, limit - joined.size());
  }
  return joined;
}

void note(HeaderScan& scan, std::string_view name, std::string_view value) {
  auto first = [&](bool& seen, std::string& into) {
    if (!std::exchange(seen, true)) into = trimmed(value).substr(0, value_limit);
  };
  if (equal_ignoring_case(name, "Received")) {
    ++scan.received;
  } else if (equal_ignoring_case(name, "Date")) {
    scan.has_date = true;
  } else if (equal_ignoring_case(name, "From")) {
    first(scan.has_from, scan.from);
  } else if (equal_ignoring_case(name, "Subject")) {
    first(scan.has_subject, scan.subject);
  } else if (equal_ignoring_case(name, "Message-ID")) {
    first(scan.has_message_id, scan.message_id);
  }
}

// The name of a field that begins in this line, or empty (RFC 5322 3.6.8: printable, no colon; 4.5: blanks
// before it).
std::string_view field_name(std::string_view line) {
  std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return {};
  std::string_view name = trimmed(line.substr(0, colon));
  bool legal = std::ranges::all_of(name, [](char c) { return c > ' ' && c < '\x7f'; });
  return legal && line.front() > ' ' ? name : std::string_view();
}

}  // namespace

HeaderScan scan_headers(const Body& body, std::size_t limit_bytes, std::string_view prefix) {
  HeaderScan scan;
  std::string joined;
  std::string_view all = beginning(body, limit_bytes, joined);
  std::string_view name;
  std::string value;
  std::size_t at = 0;
  while (at < all.size()) {
    std::size_t end = all.find("\r\n", at);
    if (end == std::string_view::npos) {
      // the limit, or a last line without its end
      if (all.size() < body.size()) break;
      end = all.size();
    }
    std::string_view line = all.substr(at, end - at);
    bool folded = !line.empty() && (line.front() == ' ' || line.front() == '\t') && !name.empty();
    if (folded) {
      if (value.size() < value_limit) value += line;
    } else {
      if (!name.empty()) note(scan, name, value);
      name = line.empty() ? std::string_view() : field_name(line);
      if (name.empty()) {
        scan.complete = true;
        break;
      }
      value = line.substr(line.find(':') + 1);
      scan.has_private |= !prefix.empty() && starts_ignoring_case(name, prefix);
    }
    at = std::min(end + 2, all.size());
  }
  if (!scan.complete && !name.empty()) note(scan, name, value);
  if (at >= all.size() && all.size() == body.size()) scan.complete = true;
  scan.header_bytes = at;
  scan.eight_bit = has_eight_bit(all.substr(0, at));
  return scan;
}

}  // namespace relay::wire
