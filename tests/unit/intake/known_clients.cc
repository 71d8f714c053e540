#include "mta/intake/known_clients.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/unit/spool/support.h"

using namespace relay;
using namespace relay::intake;
using namespace std::chrono_literals;

namespace {

constexpr std::chrono::milliseconds lasting = 8h;
constexpr WallTime start = WallTime(std::chrono::days(20'000));

struct World {
  spool::test::TempDir directory;
  std::string file = directory.spool() + "-known-clients";

  KnownClients open(WallTime now, std::uint32_t most = 100) { return {file, most, lasting, now}; }
  std::string text() const {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::size_t lines() const { return static_cast<std::size_t>(std::ranges::count(text(), '\n')); }
  void append(std::string_view more) const { std::ofstream(file, std::ios::app) << more; }
};

}  // namespace

TEST_CASE_FIXTURE(World, "what has succeeded is known for its time, and to the next process") {
  {
    KnownClients known = open(start);
    CHECK(lines() == 0);
    known.succeeded("acme", "192.0.2.1", start);
    CHECK(lines() == 1);  // at once
    CHECK(known.knows("acme", "192.0.2.1", start + lasting - 1ms));
    CHECK_FALSE(known.knows("acme", "192.0.2.1", start + lasting));
    CHECK_FALSE(known.knows("acme", "192.0.2.2", start));
    CHECK_FALSE(known.knows("acm", "e192.0.2.1", start));
    CHECK_FALSE(text().contains("acme"));
    CHECK_FALSE(text().contains("192.0.2.1"));
  }
  KnownClients known = open(start + lasting - 2ms);
  CHECK(known.knows("acme", "192.0.2.1", start + lasting - 2ms));
  CHECK_FALSE(known.knows("acme", "192.0.2.1", start + lasting));
  struct stat status{};
  REQUIRE(::stat(file.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE_FIXTURE(World, "a busy client costs a write now and then, and its time goes on") {
  KnownClients known = open(start);
  for (int minute = 0; minute < 16 * 60; ++minute)
    known.succeeded("acme", "192.0.2.1", start + std::chrono::minutes(minute));
  CHECK(lines() == 16);  // each eighth of the time
  CHECK(known.knows("acme", "192.0.2.1", start + 23h));
  CHECK(open(start + 22h).knows("acme", "192.0.2.1", start + 22h));
}

TEST_CASE_FIXTURE(World, "the file is bounded, the oldest give way, and what is too old is left out") {
  KnownClients known = open(start);
  for (int i = 0; i < 1000; ++i) {
    known.succeeded("acme", fmt::format("2001:db8:{:x}::/64", i), start + std::chrono::seconds(i));
    REQUIRE(lines() <= 200);
  }
  for (const bool again : {false, true}) {
    KnownClients opened = open(start + 1h);
    KnownClients& asked = again ? opened : known;
    CHECK_FALSE(asked.knows("acme", "2001:db8:383::/64", start + 1h));  // the 899th
    CHECK(asked.knows("acme", "2001:db8:384::/64", start + 1h));
  }
  open(start + lasting + 950s);
  CHECK(lines() == 49);
  CHECK_FALSE(std::filesystem::exists(file + ".new"));
}

TEST_CASE_FIXTURE(World, "what cannot be read in the file is passed over") {
  open(start).succeeded("acme", "192.0.2.1", start);
  const std::string pair = text().substr(0, 32);
  append("torn" + std::string(32, 'a') + "\n\n" + pair + "\n" + pair + " x\n" + pair + " -5\n" + pair +
         " 99999999999999999999\n" + std::string(10'000, '\0') + "\n" + std::string(32, 'g') + " 5\n" + pair +
         " 5");  // that is long ago, and passed over
  KnownClients known = open(start);
  CHECK(known.knows("acme", "192.0.2.1", start));
  CHECK(lines() == 1);
  append(std::string(32, 'a') + " 900000000000\n");  // by a clock that was far ahead
  open(start);
  CHECK(lines() == 2);
  CHECK_FALSE(text().contains("900000000000"));
}

TEST_CASE_FIXTURE(World, "a file that cannot be written stops nothing, and is written when it can be") {
  std::filesystem::create_directory(file);
  KnownClients known = open(start);
  known.succeeded("acme", "192.0.2.1", start);
  CHECK(known.knows("acme", "192.0.2.1", start));
  std::filesystem::remove(file);
  known.succeeded("acme", "192.0.2.2", start + 30s);
  CHECK_FALSE(std::filesystem::exists(file));  // not tried each time
  known.succeeded("acme", "192.0.2.3", start + 60s);
  CHECK(lines() == 3);
}

TEST_CASE("without a file or a time") {
  KnownClients known({}, 100, lasting, start);
  known.succeeded("acme", "192.0.2.1", start);
  CHECK(known.knows("acme", "192.0.2.1", start));
  KnownClients never({}, 100, Duration::zero(), start);
  never.succeeded("acme", "192.0.2.1", start);
  CHECK_FALSE(never.knows("acme", "192.0.2.1", start));
}
