// Every metric is announced once, has good names, and stands in relayd(8).
#include "mta/main/exposition.h"

#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

using namespace relay;

namespace {

// Name and kind of what a page announces.
std::map<std::string, std::string> announced(const std::string& page) {
  std::map<std::string, std::string> found;
  std::istringstream lines(page);
  std::smatch match;
  for (std::string line; std::getline(lines, line);)
    if (std::regex_match(line, match, std::regex("# TYPE (\\S+) (\\S+)")))
      CHECK(found.emplace(match[1], match[2]).second);
  return found;
}

std::map<std::string, std::string> in_table() {
  std::map<std::string, std::string> all;
  for (const metrics::Metric& m : all_metrics()) all.emplace(m.name, metrics::text(m.kind));
  return all;
}

std::map<std::string, std::string> documented() {
  std::ifstream page(std::string(RELAY_SOURCE_DIR) + "/man/relayd.8");
  REQUIRE(page.good());
  std::map<std::string, std::string> found;
  std::smatch match;
  for (std::string line; std::getline(page, line);)
    if (std::regex_match(line, match, std::regex(R"(\.It Ic (relay_\S+) Pq (\S+))")))
      CHECK(found.emplace(match[1], match[2]).second);
  return found;
}

Snapshot whole() {
  Snapshot s;
  s.version = "1.2.3";
  s.counts = spool::Counts{};
  s.space = spool::Space{};
  s.tls = {.certificates = {{.file = "/etc/cert.pem",
                             .names = {},
                             .not_before = {},
                             .not_after = WallTime(std::chrono::seconds(1'800'000'000))}},
           .failure = {},
           .reloads = 3,
           .failed_reloads = 1};
  return s;
}

}  // namespace

TEST_CASE("the table, the page and relayd(8) have the same metrics") {
  CHECK(announced(exposition(whole())) == in_table());
  CHECK(documented() == in_table());
  CHECK(in_table().size() == all_metrics().size());
}

TEST_CASE("names have the prefix, base units, and say when they count") {
  for (const metrics::Metric& m : all_metrics()) {
    CAPTURE(m.name);
    CHECK(m.name.starts_with("relay_"));
    CHECK(m.name.ends_with("_total") == (m.kind == metrics::Kind::counter));
    for (const std::string_view unit :
         {"_ms", "_milliseconds", "_kb", "_megabytes", "_percent", "_ratio_percent"})
      CHECK_FALSE(m.name.ends_with(unit));
    CHECK(m.help.size() > 10);
    CHECK_FALSE(m.help.ends_with("."));
  }
}

TEST_CASE("a spool that cannot be read leaves its numbers out, and the rest stands") {
  Snapshot s = whole();
  s.space.reset();
  s.counts.reset();
  const std::string page = exposition(s);
  CHECK(page.find("relay_spool_file_bytes") == std::string::npos);
  CHECK(page.find("relay_spool_messages") == std::string::npos);
  CHECK(page.find("relay_spool_commits_total 0\n") != std::string::npos);
}

TEST_CASE("values come under their labels") {
  Snapshot s = whole();
  s.queue = {.open = 10,
             .ready = 1,
             .in_flight = 2,
             .held = 3,
             .connections = 5,
             .delivered = 11,
             .deferred = 12,
             .failed = 13,
             .in_doubt = 14};
  s.intake.from_http = 4;
  s.intake.refused[static_cast<std::size_t>(intake::Refused::loop)] = 9;
  s.auth = {.failures = {5, 6}, .refused = {7, 8}, .lockouts = {2, 1}, .locked_out = {1, 0}};
  s.smtp = {.open = 1, .total = 2, .turned_away = {3, 4, 5, 6, 7, 8}};
  const std::string page = exposition(s);
  for (const std::string_view line :
       {"relay_queue_recipients{place=\"waiting\"} 4\n", "relay_queue_recipients{place=\"held\"} 3\n",
        "relay_queue_outcomes_total{outcome=\"failed\"} 13\n", "relay_queue_in_doubt_total 14\n",
        "relay_intake_messages_total{origin=\"http\"} 4\n", "relay_intake_refused_total{reason=\"loop\"} 9\n",
        "relay_auth_failures_total{protocol=\"http\"} 6\n", "relay_auth_refused_total{protocol=\"smtp\"} 7\n",
        "relay_auth_lockouts_total{kind=\"address\"} 2\n", "relay_auth_locked_out{kind=\"account\"} 0\n",
        "relay_tls_certificate_not_after_seconds{file=\"/etc/cert.pem\"} 1800000000\n",
        "relay_tls_reloads_total{result=\"failed\"} 1\n", "relay_sessions_total{protocol=\"smtp\"} 2\n",
        "relay_sessions_turned_away_total{protocol=\"smtp\",reason=\"connections\"} 3\n",
        "relay_sessions_turned_away_total{protocol=\"smtp\",reason=\"address\"} 4\n",
        "relay_sessions_turned_away_total{protocol=\"smtp\",reason=\"proxy\"} 7\n",
        "relay_spool_durability{mode=\"sync\"} 1\n"})
    CHECK_MESSAGE(page.find(line) != std::string::npos, line);
}
