#include "mta/base/clock.h"

#include <fmt/format.h>

#include <array>

namespace relay {
namespace {

struct Broken {  // a WallTime in UTC's parts
  int year;
  unsigned month, day, weekday;
  long hour, minute, second, millisecond;
};

Broken break_down(WallTime t) {
  auto day = std::chrono::floor<std::chrono::days>(t);
  std::chrono::year_month_day date(day);
  std::chrono::hh_mm_ss time(t - day);
  return {static_cast<int>(date.year()),
          static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()),
          std::chrono::weekday(day).c_encoding(),
          time.hours().count(),
          time.minutes().count(),
          time.seconds().count(),
          time.subseconds().count()};
}

// Reads from the front of a text; what is not there makes it bad, and it stays so.
class Reading {
 public:
  explicit Reading(std::string_view text) : rest_(text) {}
  // A number of exactly so many digits, within the range.
  int number(std::size_t digits, int least, int most) {
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      if (!digit()) return spoil();
      value = value * 10 + (rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    return value < least || value > most ? spoil() : value;
  }
  bool one_of(std::string_view characters) {
    if (rest_.empty() || characters.find(rest_.front()) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void need(std::string_view characters) {
    if (!one_of(characters)) spoil();
  }
  // Digits after a point, as milliseconds; those beyond are dropped.
  int fraction() {
    int value = 0;
    int weight = 100;
    if (!digit()) return spoil();
    for (; digit(); rest_.remove_prefix(1), weight /= 10) value += weight * (rest_.front() - '0');
    return value;
  }
  bool minus() const { return rest_.starts_with('-'); }
  bool done() const { return good_ && rest_.empty(); }

 private:
  bool digit() const { return !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9'; }
  int spoil() {
    good_ = false;
    return 0;
  }
  std::string_view rest_;
  bool good_ = true;
};

}  // namespace

std::optional<WallTime> parse_rfc3339(std::string_view text) {
  using namespace std::chrono;
  Reading from(text);
  const year y(from.number(4, 0, 9999));
  from.need("-");
  const month m(static_cast<unsigned>(from.number(2, 1, 12)));
  from.need("-");
  const year_month_day date(y, m, day(static_cast<unsigned>(from.number(2, 1, 31))));
  from.need("Tt");
  milliseconds time = hours(from.number(2, 0, 23));
  from.need(":");
  time += minutes(from.number(2, 0, 59));
  from.need(":");
  time += seconds(from.number(2, 0, 60));
  if (from.one_of(".")) time += milliseconds(from.fraction());
  if (!from.one_of("Zz")) {
    const int sign = from.minus() ? -1 : 1;
    from.need("+-");
    minutes offset = hours(from.number(2, 0, 23));
    from.need(":");
    offset += minutes(from.number(2, 0, 59));
    time -= sign * offset;
  }
  if (!from.done() || !date.ok()) return std::nullopt;
  return WallTime(sys_days(date).time_since_epoch() + time);
}

std::string format_rfc5322(WallTime t) {
  static constexpr std::array<const char*, 7> weekdays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  Broken b = break_down(t);
  return fmt::format("{}, {} {} {:04} {:02}:{:02}:{:02} +0000", weekdays[b.weekday], b.day,
                     months[b.month - 1], b.year, b.hour, b.minute, b.second);
}

std::string format_rfc3339(WallTime t) {
  Broken b = break_down(t);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", b.year, b.month, b.day, b.hour, b.minute,
                     b.second, b.millisecond);
}

Instant system_now() { return Instant(std::chrono::steady_clock::now().time_since_epoch()); }

WallTime system_wall() {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

}  // namespace relay
