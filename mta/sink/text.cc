#include "mta/sink/text.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "mta/base/utf8.h"

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

}  // namespace

std::string utf8(std::string_view text) { return repair_utf8(text); }

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
