#include "mta/wire/client_extensions.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace relay::wire {
namespace {

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

// RFC 5321 2.4: keywords are in any case.
bool is(std::string_view word, std::string_view keyword) {
  return std::ranges::equal(word, keyword, {}, upper);
}

// RFC 4954 3. "AUTH=" is what servers wrote before there was a standard, and some still do beside it.
void take_mechanisms(Extensions& offered, std::string_view list) {
  while (!list.empty()) {
    const std::string_view word = list.substr(0, list.find(' '));
    if (is(word, "PLAIN")) offered.auth_plain = true;
    if (is(word, "LOGIN")) offered.auth_login = true;
    list.remove_prefix(std::min(word.size() + 1, list.size()));
  }
}

std::uint64_t size_limit(std::string_view text) {
  std::uint64_t limit = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), limit);
  const bool whole = fault == std::errc() && (end == text.data() + text.size() || *end == ' ');
  return whole ? limit : 0;
}

}  // namespace

Extensions parse_extensions(const Reply& ehlo) {
  Extensions offered;
  for (std::size_t i = 1; i < ehlo.lines.size(); ++i) {
    const std::string_view line = ehlo.lines[i];
    const std::size_t end = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, end);
    if (is(word, "PIPELINING")) offered.pipelining = true;
    if (is(word, "STARTTLS")) offered.starttls = true;
    if (is(word, "8BITMIME")) offered.eight_bit = true;
    if (is(word, "SMTPUTF8")) offered.smtputf8 = true;
    if (is(word, "DSN")) offered.dsn = true;
    if (is(word, "CHUNKING")) offered.chunking = true;
    if (is(word, "REQUIRETLS")) offered.requiretls = true;
    const std::string_view rest = line.substr(std::min(end + 1, line.size()));
    if (is(word, "SIZE")) offered.size = size_limit(rest);
    if (is(word, "AUTH") || is(word.substr(0, 5), "AUTH="))
      take_mechanisms(offered, line.substr(std::min<std::size_t>(5, line.size())));
  }
  return offered;
}

}  // namespace relay::wire
