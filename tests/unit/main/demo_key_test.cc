#include "mta/main/demo_key.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "spool/lmdb.h"
#include "tests/unit/main/temporary.h"

using namespace relay;

namespace {

std::string read(const std::string& file) {
  std::ostringstream all;
  all << std::ifstream(file).rdbuf();
  return all.str();
}

std::unique_ptr<spool::Store> open(const std::string& directory) {
  auto store = spool::open_lmdb(
      {.directory = directory, .map_bytes = 64u << 20, .durability = spool::Durability::none});
  REQUIRE(store.has_value());
  return std::move(*store);
}

}  // namespace

TEST_CASE("the demo key is made once, alone in its file, and kept while it is good") {
  const test::TemporaryDirectory dir;
  const std::string file = dir.path + "/demo.key";
  const auto store = open(dir.path + "/spool");
  REQUIRE(ensure_demo_key(file, *store).has_value());
  const std::string key = read(file);
  REQUIRE(key.size() == 3 + 12 + 1 + 32);
  CHECK(key.starts_with("rk_"));
  struct stat status{};
  REQUIRE(::stat(file.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  auto keys = store->keys();
  REQUIRE(keys->size() == 1);
  CHECK(keys->front().account.value == "demo");
  CHECK(keys->front().hash == sha256(key));

  SUBCASE("it is kept") {
    REQUIRE(ensure_demo_key(file, *store).has_value());
    CHECK(read(file) == key);
  }
  SUBCASE("it is kept though an editor has put an end to its line") {
    std::ofstream(file) << key << "\n";
    REQUIRE(ensure_demo_key(file, *store).has_value());
    CHECK(read(file) == key + "\n");
  }
  SUBCASE("one that is revoked is replaced") {
    spool::ApiKey revoked = keys->front();
    revoked.revoked = WallTime{} + std::chrono::hours(1);
    const spool::Operation put = spool::PutKey{revoked};
    REQUIRE(store->apply({&put, 1}).has_value());
    REQUIRE(ensure_demo_key(file, *store).has_value());
    CHECK(read(file) != key);
    CHECK(store->keys()->size() == 2);
  }
  SUBCASE("one that another spool knew is replaced") {
    const auto other = open(dir.path + "/other");
    REQUIRE(ensure_demo_key(file, *other).has_value());
    CHECK(read(file) != key);
  }
  SUBCASE("a file that cannot be written is said") {
    const auto refused = ensure_demo_key(dir.path + "/no/demo.key", *store);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().message.find("/no/demo.key") != std::string::npos);
  }
}
