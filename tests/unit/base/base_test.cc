#include <doctest/doctest.h>

#include <array>
#include <thread>

#include "mta/base/body.h"
#include "mta/base/clock.h"
#include "mta/base/log.h"
#include "mta/base/rng.h"
#include "mta/base/secret.h"

using namespace relay;

TEST_CASE("times: both formats") {
  WallTime t(std::chrono::milliseconds(1'795'252'680'123));  // 2026-11-21 09:18:00.123
  CHECK(format_rfc3339(t) == "2026-11-21T09:18:00.123Z");
  CHECK(format_rfc5322(t) == "Sat, 21 Nov 2026 09:18:00 +0000");
  CHECK(format_rfc3339(WallTime()) == "1970-01-01T00:00:00.000Z");
  CHECK(format_rfc5322(WallTime()) == "Thu, 1 Jan 1970 00:00:00 +0000");
  CHECK(format_rfc3339(WallTime(std::chrono::milliseconds(-1))) == "1969-12-31T23:59:59.999Z");
}

TEST_CASE("clock: a moment as RFC 3339 writes it") {
  const auto at = [](std::string_view text) {
    const auto parsed = parse_rfc3339(text);
    return parsed ? format_rfc3339(*parsed) : std::string("no");
  };
  const struct {
    std::string_view text, is;
  } cases[] = {
      {"2026-11-21T09:18:00Z", "2026-11-21T09:18:00.000Z"},
      {"2026-11-21t09:18:00.5z", "2026-11-21T09:18:00.500Z"},
      {"2026-11-21T09:18:00.1239999Z", "2026-11-21T09:18:00.123Z"},
      {"2026-11-21T09:18:00+01:30", "2026-11-21T07:48:00.000Z"},
      {"2026-11-21T23:18:00-01:00", "2026-11-22T00:18:00.000Z"},
      {"2026-11-21T09:18:00-00:00", "2026-11-21T09:18:00.000Z"},
      {"1990-12-31T23:59:60Z", "1991-01-01T00:00:00.000Z"},
      {"2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"},
      {"1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"},
      {"2026-02-29T00:00:00Z", "no"},
      {"2026-13-01T00:00:00Z", "no"},
      {"2026-00-01T00:00:00Z", "no"},
      {"2026-11-21T24:00:00Z", "no"},
      {"2026-11-21T09:60:00Z", "no"},
      {"2026-11-21T09:18:61Z", "no"},
      {"2026-11-21T09:18:00", "no"},
      {"2026-11-21T09:18:00.Z", "no"},
      {"2026-11-21T09:18:00+0100", "no"},
      {"2026-11-21T09:18:00+24:00", "no"},
      {"2026-11-21T09:18:00Zx", "no"},
      {"2026-11-21 09:18:00Z", "no"},
      {"2026-11-21", "no"},
      {"+026-11-21T09:18:00Z", "no"},
      {"", "no"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    CHECK(at(c.text) == c.is);
  }
}

TEST_CASE("seeded randomness: equal seeds, equal draws; bounds hold") {
  SeededRng a(7), b(7), c(8);
  CHECK(a.next() == b.next());
  CHECK(a.next() != c.next());
  std::array<int, 10> counts{};
  for (int i = 0; i < 10000; ++i) ++counts[a.below(10)];
  for (int n : counts) CHECK((n > 800 && n < 1200));
  for (int i = 0; i < 1000; ++i) {
    double u = a.unit();
    CHECK((u >= 0 && u < 1));
  }
  CHECK(a.below(1) == 0);
}

TEST_CASE("system randomness differs from draw to draw") {
  SystemRng rng;
  CHECK(rng.next() != rng.next());
}

TEST_CASE("sha256: FIPS 180 example; comparison") {
  Digest d = sha256("abc");
  CHECK(d[0] == 0xba);
  CHECK(d[31] == 0xad);
  Digest e = d;
  CHECK(equal_constant_time(d, e));
  e[31] ^= 1;
  CHECK_FALSE(equal_constant_time(d, e));
}

TEST_CASE("secrets: moved from and wiped are empty") {
  Secret a(std::string("a secret that is longer than the short string buffer"));
  Secret b = std::move(a);
  CHECK(a.empty());  // NOLINT(bugprone-use-after-move): that is what is tested
  CHECK(b.reveal().starts_with("a secret"));
  std::string s = "password";
  wipe(s);
  CHECK(s.empty());
}

TEST_CASE("printable: nothing of a peer's can forge a log line") {
  CHECK(log::printable("plain") == "\"plain\"");
  CHECK(log::printable("a\r\nb\"c\\\x7f") == "\"a\\x0d\\x0ab\\\"c\\\\\\x7f\"");
  CHECK(log::printable(std::string(300, 'x')) == "\"" + std::string(200, 'x') + "\"...");
  CHECK(log::printable("abc", 2) == "\"ab\"...");
  for (const char* before : {"", "user:", "mark_", " "})
    CHECK(log::printable(std::string(before) + "rk_0123456789ab_s3cr3ts3cr3ts3cr3t end") ==
          "\"" + std::string(before) + "rk_0123456789ab_[hidden] end\"");
  CHECK(log::printable("RK_0123456789AB_S3CR3T") == "\"RK_0123456789AB_[hidden]\"");
  CHECK(log::printable("x rk_0123456789ab_s3cr3t", 4) == "\"x rk_0123456789ab_[hidden]\"...");
  for (const char* plain : {"rk_0123456789ab", "mark_twain_was_here", "rk_0123456789a_x", "rk_"})
    CHECK(log::printable(plain) == "\"" + std::string(plain) + "\"");
}

TEST_CASE("body: segments, size, order") {
  Body body;
  body.append("two\r\n");
  body.append("");
  body.append("three\r\n");
  body.prepend("one\r\n");
  CHECK(body.size() == 17);
  CHECK(body.segments().size() == 3);
  CHECK(body.flatten() == "one\r\ntwo\r\nthree\r\n");
}
