#include "mta/base/mail_date.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace relay {
namespace {

constexpr std::array<std::string_view, 7> weekdays = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
constexpr std::array<std::string_view, 12> months = {"jan", "feb", "mar", "apr", "may", "jun",
                                                     "jul", "aug", "sep", "oct", "nov", "dec"};
// RFC 5322 4.3, in hours. Of other names nobody knows what they mean.
constexpr std::array<std::pair<std::string_view, int>, 12> zones = {{{"ut", 0},
                                                                     {"utc", 0},
                                                                     {"gmt", 0},
                                                                     {"z", 0},
                                                                     {"edt", -4},
                                                                     {"est", -5},
                                                                     {"cdt", -5},
                                                                     {"cst", -6},
                                                                     {"mdt", -6},
                                                                     {"mst", -7},
                                                                     {"pdt", -7},
                                                                     {"pst", -8}}};

// Words in lower case, without comments; a comma and a colon are words of their own. Nothing for a comment
// that does not end.
std::optional<std::vector<std::string>> words_of(std::string_view text) {
  std::vector<std::string> words;
  int depth = 0;
  bool within = false;  // a word
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '(') ++depth;
    if (depth > 0 && c == '\\') ++i;
    if (depth > 0 || c == ' ' || c == '\t') {
      if (c == ')') --depth;
      within = false;
    } else if (c == ',' || c == ':') {
      words.emplace_back(1, c);
      within = false;
    } else {
      if (!std::exchange(within, true)) words.emplace_back();
      words.back() += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  if (depth != 0) return std::nullopt;
  return words;
}

// A number of `least` to `most` digits, or -1.
int number(std::string_view text, std::size_t least, std::size_t most) {
  if (text.size() < least || text.size() > most) return -1;
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

// Takes words from the front.
class Words {
 public:
  explicit Words(std::span<const std::string> words) : left_(words) {}
  std::string_view next() {
    if (left_.empty()) return {};
    const std::string_view word = left_.front();
    left_ = left_.subspan(1);
    return word;
  }
  bool take(std::string_view word) {
    if (left_.empty() || left_.front() != word) return false;
    left_ = left_.subspan(1);
    return true;
  }
  bool ahead(std::size_t at, std::string_view word) const { return at < left_.size() && left_[at] == word; }
  bool done() const { return left_.empty(); }

 private:
  std::span<const std::string> left_;
};

template <std::size_t N>
int place_of(std::string_view word, const std::array<std::string_view, N>& of) {
  const auto found = std::ranges::find(of, word);
  return found == of.end() ? -1 : static_cast<int>(found - of.begin());
}

// RFC 5322 4.3
int full_year(std::string_view word) {
  const int year = number(word, 2, 4);
  if (word.size() == 2) return year < 0 ? year : year + (year < 50 ? 2000 : 1900);
  return word.size() == 3 && year >= 0 ? year + 1900 : year;
}

std::optional<std::chrono::minutes> offset_of(std::string_view word) {
  if (!word.starts_with('+') && !word.starts_with('-')) {
    const auto zone = std::ranges::find(zones, word, &std::pair<std::string_view, int>::first);
    if (zone == zones.end()) return std::nullopt;
    return std::chrono::hours(zone->second);
  }
  const int digits = number(word.substr(1), 4, 4);
  if (digits < 0 || digits % 100 > 59 || digits / 100 > 23) return std::nullopt;
  const auto offset = std::chrono::hours(digits / 100) + std::chrono::minutes(digits % 100);
  return word.front() == '-' ? -offset : offset;
}

}  // namespace

std::optional<WallTime> parse_rfc5322(std::string_view text) {
  using namespace std::chrono;
  const auto all = words_of(text);
  if (!all) return std::nullopt;
  Words words(*all);
  int weekday = -1;
  if (words.ahead(1, ",")) {
    weekday = place_of(words.next(), weekdays);
    words.take(",");
    if (weekday < 0) return std::nullopt;
  }
  const int d = number(words.next(), 1, 2);
  const int m = place_of(words.next(), months);
  const int y = full_year(words.next());
  const int hour = number(words.next(), 2, 2);
  const bool colon = words.take(":");
  const int minute = number(words.next(), 2, 2);
  const int second = words.take(":") ? number(words.next(), 2, 2) : 0;
  const auto offset = offset_of(words.next());
  const bool whole = colon && offset && words.done();
  if (!whole || d < 0 || m < 0 || y < 0 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
      second > 60)
    return std::nullopt;
  const year_month_day date{year(y), month(static_cast<unsigned>(m) + 1), day(static_cast<unsigned>(d))};
  if (!date.ok()) return std::nullopt;
  if (weekday >= 0 && std::chrono::weekday(sys_days(date)).c_encoding() != static_cast<unsigned>(weekday))
    return std::nullopt;
  return WallTime(sys_days(date).time_since_epoch() + hours(hour) + minutes(minute) + seconds(second) -
                  *offset);
}

}  // namespace relay
