#include "spool/inspect/backup.h"

#include <sys/stat.h>

#include "spool/inspect/tables.h"
#include "tests/unit/inspect/support.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;

namespace {

Result<std::uint64_t> back_up(const TempDir& directory, const std::string& to, bool compact = false) {
  const auto file = must(SpoolFile::open(directory.spool()));
  return backup(*file, {to, compact}, [](std::uint64_t) {});
}

unsigned mode_of(const std::string& path) {
  struct stat s{};
  REQUIRE(stat(path.c_str(), &s) == 0);
  return s.st_mode & 0777;
}

std::size_t entries_beside(const std::string& path) {
  const auto all = std::filesystem::directory_iterator(std::filesystem::path(path).parent_path());
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

}  // namespace

TEST_CASE("a backup is a spool like the one it was made of, for its owner alone") {
  for (const bool compact : {false, true}) {
    CAPTURE(compact);
    TempDir directory;
    fill(directory);
    const std::string to = directory.spool() + ".backup";
    const auto bytes = must(back_up(directory, to + "/", compact));
    CHECK(mode_of(to) == 0700);
    CHECK(mode_of(to + "/data.mdb") == 0600);
    CHECK(std::filesystem::file_size(to + "/data.mdb") == bytes);
    CHECK(entries_beside(to) == 2);
    LmdbSettings s = settings(directory);
    s.directory = to;
    const auto store = must(open_lmdb(s));
    CHECK(must(store->counts()).messages == 4);
    CHECK(must(store->counts()).queued == 503);
    CHECK(must(store->load(id(1)))->body->flatten() == some_bytes(10'000, 1));
    CHECK(must(store->keys()).size() == 1);
  }
}

TEST_CASE("a compact one has no free pages") {
  TempDir directory;
  {
    const auto store = open(directory);
    for (std::uint32_t n = 1; n <= 50; ++n)
      apply(*store, accept({.number = n, .content = some_bytes(50'000, n)}));
    for (std::uint32_t n = 1; n <= 49; ++n) apply(*store, attempted({id(n), 0}, Status::delivered));
  }
  const auto whole = must(back_up(directory, directory.spool() + ".1"));
  const auto compact = must(back_up(directory, directory.spool() + ".2", true));
  CHECK(compact * 5 < whole);
}

TEST_CASE("nothing is overwritten, and what fails leaves nothing") {
  TempDir directory;
  fill(directory);
  const std::string to = directory.spool() + ".backup";
  std::filesystem::create_directory(to);
  CHECK(back_up(directory, to).error().code == Errc::conflict);
  CHECK(std::filesystem::is_empty(to));
  const auto nowhere = back_up(directory, directory.spool() + ".no/where");
  CHECK(nowhere.error().message.find("No such file or directory") != std::string::npos);
  CHECK(entries_beside(to) == 2);
}

TEST_CASE("damaged pages are copied as they are, and not compacted") {
  TempDir directory;
  fill(directory);
  PageNumber root = 0;
  {
    const auto file = must(SpoolFile::open(directory.spool()));
    const auto view = must(file->view());
    Faults quiet([](const Fault&) {});
    root = find_tables(view, quiet)[Table::events]->root;
  }
  {
    std::fstream data(directory.spool() + "/data.mdb", std::ios::in | std::ios::out | std::ios::binary);
    data.seekp(static_cast<std::streamoff>(root * 4096 + 100));
    data << std::string(3000, '\xff');
    data.seekp(static_cast<std::streamoff>(root * 4096));
    data << std::string(16, '\xff');
  }
  const auto refused = back_up(directory, directory.spool() + ".1", true);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("without --compact") != std::string::npos);
  must(back_up(directory, directory.spool() + ".2"));
  CHECK(entries_beside(directory.spool()) == 2);
}
