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

// Where a walk through the fields has come to.
struct Walked {
  std::size_t end = 0;
  bool complete = false;  // an empty line, a line that is no field, or the end of the message came
  bool sound = false;     // not a line that is no field
};

// Calls `each` with name and value of every field, the value unfolded and cut at about `value_bytes`.
template <class Each>
Walked each_field(std::string_view all, bool all_of_it, std::size_t value_bytes, Each each) {
  Walked walked;
  std::string_view name;
  std::string value;
  std::size_t& at = walked.end;
  while (at < all.size()) {
    std::size_t end = all.find("\r\n", at);
    if (end == std::string_view::npos) {
      // the limit, or a last line without its end
      if (!all_of_it) break;
      end = all.size();
    }
    std::string_view line = all.substr(at, end - at);
    bool folded = !line.empty() && (line.front() == ' ' || line.front() == '\t') && !name.empty();
    if (folded) {
      if (value.size() < value_bytes) value += line;
    } else {
      if (!name.empty()) each(name, std::string_view(value));
      name = line.empty() ? std::string_view() : field_name(line);
      if (name.empty()) {
        walked.complete = true;
        walked.sound = line.empty();
        return walked;
      }
      value = line.substr(line.find(':') + 1);
    }
    at = std::min(end + 2, all.size());
  }
  if (!name.empty()) each(name, std::string_view(value));
  if (at >= all.size() && all_of_it) walked.complete = walked.sound = true;
  return walked;
}

// Whether a line of the prefix stands before the first empty one.
bool any_line(std::string_view rest, std::string_view prefix) {
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find("\r\n"));
    if (line.empty()) return false;
    if (starts_ignoring_case(line, prefix)) return true;
    rest.remove_prefix(std::min(rest.size(), line.size() + 2));
  }
  return false;
}

}  // namespace

HeaderScan scan_headers(const Body& body, std::size_t limit_bytes, std::string_view prefix) {
  HeaderScan scan;
  std::string joined;
  const std::string_view all = beginning(body, limit_bytes, joined);
  const auto take = [&](std::string_view name, std::string_view value) {
    note(scan, name, value);
    scan.has_private |= !prefix.empty() && starts_ignoring_case(name, prefix);
  };
  const Walked walked = each_field(all, all.size() == body.size(), value_limit, take);
  scan.complete = walked.complete;
  scan.header_bytes = walked.end;
  scan.hidden_private = !prefix.empty() && !walked.sound && any_line(all.substr(walked.end), prefix);
  scan.eight_bit = has_eight_bit(all.substr(0, walked.end));
  return scan;
}

SenderFields sender_fields(const Body& body, std::size_t limit_bytes) {
  SenderFields fields;
  std::string joined;
  const std::string_view all = beginning(body, limit_bytes, joined);
  const auto take = [&](std::string_view name, std::string_view value) {
    if (equal_ignoring_case(name, "From")) fields.from.emplace_back(trimmed(value));
    if (equal_ignoring_case(name, "Sender")) fields.sender.emplace_back(trimmed(value));
  };
  fields.sound = each_field(all, all.size() == body.size(), limit_bytes, take).sound;
  return fields;
}

}  // namespace relay::wire
