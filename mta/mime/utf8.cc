#include "mta/mime/utf8.h"

#include <algorithm>

namespace relay::mime {
namespace {

unsigned octet(char c) { return static_cast<unsigned char>(c); }
bool tail(char c) { return (octet(c) & 0xc0) == 0x80; }

}  // namespace

// RFC 3629 4: no overlong forms, no surrogates, nothing over U+10FFFF.
std::size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  const unsigned first = octet(text[0]);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xc2 && first <= 0xdf   ? 2
                             : first >= 0xe0 && first <= 0xef ? 3
                             : first >= 0xf0 && first <= 0xf4 ? 4
                                                              : 0;
  if (length == 0 || text.size() < length) return 0;
  if (!std::ranges::all_of(text.substr(1, length - 1), tail)) return 0;
  const unsigned second = octet(text[1]);
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
      (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f))
    return 0;
  return length;
}

bool ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return octet(c) < 128; });
}

std::string_view cut_utf8(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && tail(text[limit])) --limit;
  return text.substr(0, limit);
}

std::string clean_line(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool blank = false;
  while (!text.empty()) {
    const auto length = utf8_length(text);
    if (length == 1 && (control(text[0]) || text[0] == ' ')) {
      blank = true;
      text.remove_prefix(1);
      continue;
    }
    if (blank && !out.empty()) out += ' ';
    blank = false;
    if (length == 0)
      out += "\xef\xbf\xbd";
    else
      out += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

}  // namespace relay::mime
