#include "mta/base/units.h"

#include <doctest/doctest.h>

#include <string>

using namespace relay;

TEST_CASE("durations are read as people write them") {
  struct Row {
    const char* text;
    std::int64_t ns;
  };
  constexpr std::int64_t ms = 1'000'000, s = 1000 * ms, m = 60 * s, h = 60 * m, d = 24 * h;
  const Row rows[] = {
      {"0", 0},
      {"0s", 0},
      {"1ms", ms},
      {"500ms", 500 * ms},
      {"20m", 20 * m},
      {"3d", 3 * d},
      {"1h30m", 90 * m},
      {"1d2h3m4s5ms", d + 2 * h + 3 * m + 4 * s + 5 * ms},
      {"1.5s", 1500 * ms},
      {"0.25h", 15 * m},
      {"90s", 90 * s},
      {"0.000001ms", 1},
      {"72 h", 72 * h},
      {"007s", 7 * s},
      {"0.0000001ms", 0},
      {"106751d", 106751 * d},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const auto got = parse_duration(row.text);
    REQUIRE(got.has_value());
    CHECK(got->count() == row.ns);
    CHECK(parse_duration(format_duration(*got)) == *got);
  }
}

TEST_CASE("what is no duration is refused with a reason") {
  for (const char* text : {"",
                           "s",
                           "20",
                           "1.",
                           ".5s",
                           "1.s",
                           "-1s",
                           "+1s",
                           "1 ",
                           " 1s",
                           "1s ",
                           "1h 30m",
                           "30m1h",
                           "1s1s",
                           "1M",
                           "1S",
                           "5min",
                           "1e3s",
                           "1,5s",
                           "106752d",
                           "99999999999999999999s",
                           "9223372037s",
                           "\xd9\xa1s",
                           "1s\n",
                           "never"}) {
    CAPTURE(text);
    const auto got = parse_duration(text);
    REQUIRE_FALSE(got.has_value());
    CHECK(got.error().message.size() > 8);
  }
  CHECK_FALSE(parse_duration(std::string_view("1s\0", 3)).has_value());
}

TEST_CASE("sizes are read as people write them") {
  struct Row {
    const char* text;
    std::uint64_t bytes;
  };
  const Row rows[] = {
      {"0", 0},
      {"0B", 0},
      {"4096B", 4096},
      {"25MB", 25'000'000},
      {"64KiB", 65536},
      {"1.5KiB", 1536},
      {"1.25KiB", 1280},
      {"1kB", 1000},
      {"1KB", 1000},
      {"2 GiB", 2ull << 30},
      {"1TiB", 1ull << 40},
      {"1TB", 1'000'000'000'000},
      {"0.0001KiB", 0},
      {"8388607TiB", 8388607ull << 40},
      {"0.9999999999999999999999999B", 0},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const auto got = parse_size(row.text);
    REQUIRE(got.has_value());
    CHECK(*got == row.bytes);
    CHECK(parse_size(format_size(*got)) == *got);
  }
}

TEST_CASE("what is no size is refused with a reason") {
  for (const char* text : {"", "25", "MB", "25Mb", "25mb", "1.MB", "-1B", "1MB1kB", "1B ", "8388608TiB",
                           "1PB", "9223372036854775808B", "99999999999999999999999B"}) {
    CAPTURE(text);
    const auto got = parse_size(text);
    REQUIRE_FALSE(got.has_value());
    CHECK(got.error().message.size() > 8);
  }
}

TEST_CASE("values are written in their shortest form") {
  CHECK(format_duration(std::chrono::minutes(90)) == "1h30m");
  CHECK(format_duration(std::chrono::hours(72)) == "3d");
  CHECK(format_duration(std::chrono::nanoseconds(1'500'000)) == "1.500000ms");
  CHECK(format_size(1u << 20) == "1MiB");
  CHECK(format_size(25'000'000) == "25MB");
  CHECK(format_size(4097) == "4097B");
}
