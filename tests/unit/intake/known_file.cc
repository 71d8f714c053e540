#include "mta/intake/known_file.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "tests/unit/spool/support.h"
#include "tests/unit/support/test_loop.h"

using namespace relay;
using namespace relay::intake;
using namespace std::chrono_literals;

namespace {

constexpr Instant tick = Instant(1000s);

KnownFile::Line line(unsigned number, std::int64_t at) {
  KnownFile::Line made{{}, WallTime(std::chrono::seconds(at))};
  fmt::format_to(made.pair.data(), "{:032x}", number);
  return made;
}

struct World {
  spool::test::TempDir directory;
  std::string path = directory.spool() + "-known-clients";
  test::TestLoop disk;

  // "1@50 2@60", as another process reads it.
  std::string known(std::uint32_t most = 100) {
    KnownFile file(path, most, disk);
    std::string all;
    for (const auto& one : file.take_known())
      all += fmt::format("{}{}@{}", all.empty() ? "" : " ", std::stoul(std::string(one.name()), nullptr, 16),
                         one.at.time_since_epoch() / 1s);
    return all;
  }
  void put(KnownFile& file, unsigned number, std::int64_t at, Instant now = tick) {
    file.put(line(number, at), now);
    disk.run();
  }
  std::string text() const {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::size_t lines() const { return static_cast<std::size_t>(std::ranges::count(text(), '\n')); }
  void append(std::string_view more) const { std::ofstream(path, std::ios::app) << more; }
};

}  // namespace

TEST_CASE_FIXTURE(World, "what is put is read again, each pair's last line, as it was written") {
  CHECK(known().empty());
  {
    KnownFile file(path, 100, disk);
    put(file, 1, 50);
    put(file, 2, 8'000'000'000);
    put(file, 1, 40);
  }
  CHECK(lines() == 3);
  CHECK(known() == "2@8000000000 1@40");
  CHECK(lines() == 3);  // a start appends to what there is
  {
    KnownFile file(path, 100, disk);
    put(file, 3, 70);
  }
  CHECK(known() == "2@8000000000 1@40 3@70");
  CHECK(lines() == 4);
}

TEST_CASE_FIXTURE(World, "the file is bounded, and the last stay") {
  {
    KnownFile file(path, 10, disk);
    for (unsigned i = 0; i < 1000; ++i) {
      put(file, i, i);
      REQUIRE(lines() <= 20);
    }
  }
  CHECK(known(3) == "997@997 998@998 999@999");
  CHECK(lines() == 3);  // too many for three
  append(std::string(20, '\n'));
  CHECK(known(10) == "997@997 998@998 999@999");
  CHECK(lines() == 3);
  CHECK_FALSE(std::filesystem::exists(path + ".new"));
}

TEST_CASE_FIXTURE(World,
                  "what cannot be read in it is passed over, and what comes next is a line of its own") {
  const std::string pair(32, '0');
  append("torn" + std::string(32, 'a') + "\n\n" + pair + "\n" + pair + " x\n" + pair + " -5\n" + pair +
         " 99999999999999999999\n" + pair + " 9000000001\n" + std::string(10'000, '\0') + "\n" +
         std::string(32, 'g') + " 5\n" + pair + " 5");
  CHECK(known() == "0@5");
  {
    KnownFile file(path, 100, disk);
    put(file, 1, 7);
    put(file, 2, 8);
  }
  CHECK(known() == "0@5 1@7 2@8");
}

TEST_CASE_FIXTURE(World, "what cannot be written waits, and is written when it can be, a minute later") {
  std::filesystem::create_directory(path);
  KnownFile file(path, 3, disk);
  put(file, 1, 50);
  std::filesystem::remove(path);
  put(file, 2, 50, tick + 59s);
  CHECK_FALSE(std::filesystem::exists(path));  // not tried each time
  put(file, 3, 50, tick + 60s);
  CHECK(known() == "1@50 2@50 3@50");
  put(file, 4, 50, tick + 61s);
  CHECK(lines() == 4);
}

TEST_CASE_FIXTURE(World, "of what waits for a disk that hangs the oldest gives way") {
  KnownFile file(path, 3, disk);
  for (unsigned i = 0; i < 5; ++i) file.put(line(i, 50), tick + std::chrono::minutes(i));
  CHECK(text().empty());
  CHECK(disk.run() == 1);
  CHECK(known() == "2@50 3@50 4@50");
}

TEST_CASE_FIXTURE(World, "a file that cannot be written anew stays as it is") {
  {
    KnownFile file(path, 2, disk);
    for (unsigned i = 0; i < 4; ++i) put(file, i, 50);
    std::filesystem::create_directories(path + ".new/x");
    put(file, 4, 50);
    CHECK(lines() == 4);
    std::filesystem::remove_all(path + ".new");
    put(file, 5, 50, tick + 60s);
    CHECK(known() == "4@50 5@50");
    std::filesystem::create_directories(path + ".new/x");
    put(file, 6, 50);
    put(file, 7, 50);
  }
  append("\n");
  CHECK(known(2) == "6@50 7@50");
  CHECK(lines() == 5);
}
