#include "mta/base/mail_date.h"

#include <doctest/doctest.h>

using namespace relay;

TEST_CASE("a date as mail writes it") {
  const auto at = [](std::string_view text) {
    const auto parsed = parse_rfc5322(text);
    return parsed ? format_rfc3339(*parsed) : std::string("no");
  };
  const struct {
    std::string_view text, is;
  } cases[] = {
      {"Sat, 21 Nov 2026 09:18:00 +0000", "2026-11-21T09:18:00.000Z"},
      {"21 Nov 2026 09:18:00 +0000", "2026-11-21T09:18:00.000Z"},
      {"Sat,21 nov 2026 09:18 +0130", "2026-11-21T07:48:00.000Z"},
      {"Sat, 21 Nov 2026 23:18:00 -0100", "2026-11-22T00:18:00.000Z"},
      {"Sat, 21 Nov 2026 09:18:00 -0000", "2026-11-21T09:18:00.000Z"},
      {"  Sat (a (nested \\) one) day), 21 Nov 2026 09:18:00 +0000 (UTC) ", "2026-11-21T09:18:00.000Z"},
      {"21 Nov 26 09 : 18 : 00 GMT", "2026-11-21T09:18:00.000Z"},
      {"21 Nov 99 09:18:00 EST", "1999-11-21T14:18:00.000Z"},
      {"1 Jan 126 00:00:00 UT", "2026-01-01T00:00:00.000Z"},
      {"31 Dec 1990 23:59:60 Z", "1991-01-01T00:00:00.000Z"},
      {"Sun, 21 Nov 2026 09:18:00 +0000", "no"},
      {"Foo, 21 Nov 2026 09:18:00 +0000", "no"},
      {"29 Feb 2026 00:00:00 +0000", "no"},
      {"0 Nov 2026 00:00:00 +0000", "no"},
      {"21 November 2026 09:18:00 +0000", "no"},
      {"21 Nov 2026 24:00:00 +0000", "no"},
      {"21 Nov 2026 09:60:00 +0000", "no"},
      {"21 Nov 2026 9:18:00 +0000", "no"},
      {"21 Nov 2026 09:18:00", "no"},
      {"21 Nov 2026 09:18:00 +01:00", "no"},
      {"21 Nov 2026 09:18:00 CEST", "no"},
      {"21 Nov 2026 09:18:00 +0000 x", "no"},
      {"21 Nov 2026 09:18:00 +0000 (", "no"},
      {"21 Nov 2026 09:18:00 +2400", "no"},
      {"Nov 21 2026 09:18:00 +0000", "no"},
      {"", "no"},
      {")", "no"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    CHECK(at(c.text) == c.is);
  }
}
