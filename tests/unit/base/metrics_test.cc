#include "mta/base/metrics.h"

#include <doctest/doctest.h>

#include <array>

#include "mta/base/network.h"
#include "mta/base/process.h"

using namespace relay;
using metrics::Kind;

TEST_CASE("a page in Prometheus's text format") {
  metrics::Page page;
  page.add({"a_total", Kind::counter, "What a counts"}, 3);
  page.add({"b", Kind::gauge, "b"}, 1.5, {{"x", "one"}});
  page.add({"b", Kind::gauge, "b"}, 2, {{"x", "a \"b\" \\ \n"}});
  constexpr std::array bounds{0.5, 2.0};
  metrics::Distribution values(bounds);
  for (const double v : {0.5, 0.6, 2.0, 2.1, 100.0}) values.add(v);
  page.add({"c_seconds", Kind::histogram, "c"}, values);
  CHECK(page.text() ==
        "# HELP a_total What a counts\n# TYPE a_total counter\na_total 3\n"
        "# HELP b b\n# TYPE b gauge\nb{x=\"one\"} 1.5\nb{x=\"a \\\"b\\\" \\\\ \\n\"} 2\n"
        "# HELP c_seconds c\n# TYPE c_seconds histogram\nc_seconds_count 5\nc_seconds_sum 105.2\n"
        "c_seconds_bucket{le=\"0.5\"} 1\nc_seconds_bucket{le=\"2\"} 3\nc_seconds_bucket{le=\"+Inf\"} 5\n");
}

TEST_CASE("networks: what is one, and who is within") {
  for (const char* bad : {"", "x", "1.2.3", "1.2.3.4/", "1.2.3.4/33", "1.2.3.4/8", "10.0.0.0/-1",
                          "10.0.0.0/8x", "::/129", "::1/127", "/8", "1.2.3.4/ 8"})
    CHECK_MESSAGE(!Network::parse(bad), bad);
  const struct {
    const char* network;
    const char* address;
    bool within;
  } cases[] = {
      {"10.0.0.0/8", "10.255.0.1", true},
      {"10.0.0.0/8", "11.0.0.1", false},
      {"10.0.0.0/8", "::ffff:10.1.1.1", true},
      {"10.0.0.0/8", "x", false},
      {"10.128.0.0/9", "10.127.0.1", false},
      {"10.128.0.0/9", "10.128.0.1", true},
      {"192.0.2.7", "192.0.2.7", true},
      {"192.0.2.7", "192.0.2.6", false},
      {"0.0.0.0/0", "203.0.113.1", true},
      {"0.0.0.0/0", "2001:db8::1", false},
      {"2001:db8::/33", "2001:db8:7fff::1", true},
      {"2001:db8::/33", "2001:db8:8000::1", false},
      {"::/0", "192.0.2.1", true},
      {"::ffff:0:0/96", "192.0.2.1", true},
  };
  for (const auto& c : cases) {
    CAPTURE(c.network);
    CAPTURE(c.address);
    const auto network = Network::parse(c.network);
    REQUIRE(network);
    CHECK(network->contains(c.address) == c.within);
  }
  CHECK(Network::loopback("127.9.9.9"));
  CHECK(Network::loopback("::1"));
  CHECK(Network::loopback("::ffff:127.0.0.1"));
  CHECK_FALSE(Network::loopback("::2"));
  CHECK_FALSE(Network::loopback(""));
}

TEST_CASE("what counts as one client: an IPv4 address, or the /64 of an IPv6 one") {
  const struct {
    const char* address;
    const char* text;
  } cases[] = {{"192.0.2.1", "192.0.2.1"},
               {"::ffff:192.0.2.1", "192.0.2.1"},
               {"2001:db8::1", "2001:db8::/64"},
               {"2001:DB8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
               {"::1", "::/64"},
               {"", ""},
               {"no address", "no address"}};
  for (const auto& c : cases) CHECK(neighbourhood_text(c.address) == c.text);
  CHECK(neighbourhood("2001:db8::1") == neighbourhood("2001:db8::ffff"));
  CHECK(neighbourhood("2001:db8::1") != neighbourhood("2001:db8:0:1::1"));
  CHECK(neighbourhood("192.0.2.1").size() == 4);
  CHECK(neighbourhood("x").empty());
}

TEST_CASE("the process knows itself") {
  const ProcessStats stats = process_stats();
  CHECK(stats.resident_bytes > 100'000);
  CHECK(stats.open_files >= 3);
  CHECK(stats.open_files < stats.open_files_limit);
  CHECK(stats.cpu_seconds > 0);
}
