#include "mta/sink/text.h"

#include <algorithm>
#include <cctype>
#include <string_view>

namespace relay::sink {
namespace {

constexpr std::size_t head_bytes = 64 * 1024;

std::string head_of(const Body& content) {
  std::string head;
  for (const auto& segment : content.segments()) {
    head.append(segment, 0, head_bytes - head.size());
    if (head.size() == head_bytes) break;
  }
  return head;
}

bool blank(char c) { return c == ' ' || c == '\t'; }

bool names_subject(std::string_view line) {
  constexpr std::string_view name = "subject:";
  return line.size() >= name.size() && std::equal(name.begin(), name.end(), line.begin(), [](char n, char c) {
           return n == std::tolower(static_cast<unsigned char>(c));
         });
}

// The length of the well-formed sequence `text` begins with (RFC 3629 4), or 0.
std::size_t sequence_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto tails = [&](std::size_t from, std::size_t count) {
    for (std::size_t i = from; i < from + count; ++i)
      if ((at(i) & 0xc0u) != 0x80u) return false;
    return true;
  };
  const unsigned lead = at(0), second = at(1);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return tails(1, 1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const bool overlong = lead == 0xe0 && second < 0xa0, surrogate = lead == 0xed && second > 0x9f;
    return tails(1, 2) && !overlong && !surrogate ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const bool overlong = lead == 0xf0 && second < 0x90, beyond = lead == 0xf4 && second > 0x8f;
    return tails(1, 3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string utf8(std::string_view text) {
  std::string valid;
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    valid += length == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return valid;
}

std::string subject_of(const Body& content) {
  const std::string head = head_of(content);
  std::string_view rest = head;
  std::string subject;
  bool within = false;
  while (!rest.empty()) {
    const std::size_t end = rest.find("\r\n");
    const std::string_view line = rest.substr(0, end);
    if (line.empty()) break;  // the header section ends here
    if (within && !blank(line.front())) break;
    if (within) {
      subject += line;
    } else if (names_subject(line)) {
      within = true;
      subject = line.substr(std::string_view("subject:").size());
    }
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
  }
  const auto first = std::ranges::find_if_not(subject, blank);
  subject.erase(subject.begin(), first);
  while (!subject.empty() && blank(subject.back())) subject.pop_back();
  return subject;
}

}  // namespace relay::sink
