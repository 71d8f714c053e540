#include "mta/intake/known_clients.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "tests/unit/spool/support.h"
#include "tests/unit/support/test_loop.h"

using namespace relay;
using namespace relay::intake;
using namespace std::chrono_literals;

namespace {

constexpr std::chrono::milliseconds lasting = 8h;
constexpr WallTime start = WallTime(std::chrono::days(20'000));

struct World {
  spool::test::TempDir directory;
  std::string file = directory.spool() + "-known-clients";
  test::TestLoop disk;
  Instant tick{1000s};

  KnownClients open(WallTime now, std::uint32_t most = 100) { return {file, most, lasting, now, disk}; }
  // As another process, that ends then.
  bool known_to_next(const char* client, WallTime now) { return open(now).knows("acme", client, now); }
  void succeed(KnownClients& known, const char* client, WallTime now) {
    known.succeeded("acme", client, now, tick);
    disk.run();
  }
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
    succeed(known, "192.0.2.1", start);
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

TEST_CASE_FIXTURE(World, "a disk that hangs keeps nobody waiting") {
  KnownClients known = open(start);
  known.succeeded("acme", "192.0.2.1", start, tick);
  known.succeeded("acme", "192.0.2.2", start, tick);
  CHECK(known.knows("acme", "192.0.2.1", start));
  CHECK(lines() == 0);
  CHECK(disk.run() == 1);
  CHECK(lines() == 2);
}

TEST_CASE_FIXTURE(World, "a busy client costs a write now and then, and its time goes on") {
  KnownClients known = open(start);
  for (int minute = 0; minute < 16 * 60; ++minute)
    succeed(known, "192.0.2.1", start + std::chrono::minutes(minute));
  CHECK(lines() == 16);  // each eighth of the time
  CHECK(known.knows("acme", "192.0.2.1", start + 23h));
  CHECK(known_to_next("192.0.2.1", start + 22h));
}

TEST_CASE_FIXTURE(World, "a clock that is wrong at the start, in either direction, destroys nothing") {
  {
    KnownClients known = open(start);
    succeed(known, "192.0.2.1", start);
  }
  const std::string before = text();
  for (const WallTime wrong : {WallTime(), start - 24h, start + std::chrono::days(4000)}) {
    CAPTURE(wrong.time_since_epoch().count());
    KnownClients known = open(wrong);
    CHECK(known.knows("acme", "192.0.2.1", wrong) == (wrong < start));
    CHECK(known.knows("acme", "192.0.2.1", start + lasting - 1ms));  // it has been set
    CHECK_FALSE(known.knows("acme", "192.0.2.1", start + lasting));
    CHECK(text() == before);
  }
  CHECK(known_to_next("192.0.2.1", start + lasting - 1ms));
}

TEST_CASE_FIXTURE(World, "what a clock that was ahead has written is put right by the next success") {
  {
    KnownClients known = open(start);
    succeed(known, "192.0.2.1", start + std::chrono::days(4000));
    succeed(known, "192.0.2.1", start);
    CHECK(lines() == 2);
    succeed(known, "192.0.2.1", start - 1ms);  // another loop's clock
    CHECK(lines() == 2);
  }
  CHECK(known_to_next("192.0.2.1", start + lasting - 1ms));
  CHECK_FALSE(known_to_next("192.0.2.1", start + lasting));
}

TEST_CASE_FIXTURE(World, "the oldest give way, in the file too") {
  KnownClients known = open(start);
  for (int i = 0; i < 1000; ++i)
    succeed(known, fmt::format("2001:db8:{:x}::/64", i).c_str(), start + std::chrono::seconds(i));
  for (const bool again : {false, true}) {
    KnownClients opened = open(start + 1h);
    KnownClients& asked = again ? opened : known;
    CHECK_FALSE(asked.knows("acme", "2001:db8:383::/64", start + 1h));  // the 899th
    CHECK(asked.knows("acme", "2001:db8:384::/64", start + 1h));
  }
}

TEST_CASE_FIXTURE(World, "without a file or a time") {
  KnownClients known({}, 100, lasting, start, disk);
  succeed(known, "192.0.2.1", start);
  CHECK(known.knows("acme", "192.0.2.1", start));
  KnownClients never({}, 100, Duration::zero(), start, disk);
  succeed(never, "192.0.2.1", start);
  CHECK_FALSE(never.knows("acme", "192.0.2.1", start));
}
