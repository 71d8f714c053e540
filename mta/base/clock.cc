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

}  // namespace

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
