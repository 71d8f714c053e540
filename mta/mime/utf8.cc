#include "mta/mime/utf8.h"

#include <algorithm>

namespace relay::mime {
namespace {

unsigned octet(char c) { return static_cast<unsigned char>(c); }
bool tail(char c) { return (octet(c) & 0xc0) == 0x80; }

}  // namespace

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
