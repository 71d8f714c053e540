// A tree of LMDB's, made by LMDB, read by its pages both ways, whole and damaged.
#include "spool/tree_cursor.h"

#include <fcntl.h>
#include <lmdb.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "spool/file.h"
#include "tests/unit/spool/support.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;

namespace {

constexpr std::size_t page_bytes = 4096;

std::string key_of(std::uint32_t n) {
  char key[12];
  std::snprintf(key, sizeof key, "key%06u", n);
  return key;
}

// Entries key000000, key000002, ... with themselves as values, on three levels.
class Tree {
 public:
  explicit Tree(std::uint32_t entries) : path_(directory_.spool()) {
    MDB_env* env = nullptr;
    REQUIRE(mdb_env_create(&env) == 0);
    mdb_env_set_mapsize(env, 64u << 20);
    REQUIRE(mdb_env_open(env, path_.c_str(), MDB_NOSUBDIR | MDB_NOSYNC, 0600) == 0);
    MDB_txn* txn = nullptr;
    REQUIRE(mdb_txn_begin(env, nullptr, 0, &txn) == 0);
    MDB_dbi dbi = 0;
    REQUIRE(mdb_dbi_open(txn, nullptr, 0, &dbi) == 0);
    for (std::uint32_t n = 0; n < entries; ++n) {
      std::string text = key_of(2 * n);
      MDB_val key{text.size(), text.data()};
      std::string content = text + std::string(200, 'x');
      MDB_val value{content.size(), content.data()};
      REQUIRE(mdb_put(txn, dbi, &key, &value, 0) == 0);
    }
    REQUIRE(mdb_txn_commit(txn) == 0);
    mdb_env_close(env);
    file_ = File(::open(path_.c_str(), O_RDWR));
    REQUIRE(file_.get() >= 0);
    char meta[256];
    REQUIRE(pread(file_.get(), meta, sizeof meta, page_bytes) == sizeof meta);
    meta_ = Meta::parse({meta, sizeof meta}).value();
  }
  TreeCursor cursor() {
    return {PageSource(file_.get(), page_bytes, meta_.last), meta_.main,
            [this](const DamagedPage& damaged) { damage.push_back(damaged); }};
  }
  std::string read(PageNumber number) {
    std::string bytes;
    REQUIRE(PageSource(file_.get(), page_bytes, meta_.last).read(number, bytes, page_bytes));
    return bytes;
  }
  void write(PageNumber number, const std::string& bytes) {
    REQUIRE(pwrite(file_.get(), bytes.data(), bytes.size(), off_t(number * page_bytes)) == page_bytes);
  }
  PageNumber root() const { return meta_.main.root; }
  std::vector<PageNumber> children(PageNumber number) {
    const std::string bytes = read(number);
    const Page page = Page::parse(bytes, number).value();
    std::vector<PageNumber> all;
    for (std::size_t i = 0; i < page.size(); ++i) all.push_back(page.child(i));
    return all;
  }
  std::vector<std::string> keys_of(PageNumber number) {
    const std::string bytes = read(number);
    const Page page = Page::parse(bytes, number).value();
    std::vector<std::string> all;
    for (std::size_t i = 0; i < page.size(); ++i) all.emplace_back(page.key(i));
    return all;
  }
  // Changes the last byte of a key on a page.
  void change_key(PageNumber number, std::size_t entry, char to) {
    std::string bytes = read(number);
    std::uint16_t node = 0, size = 0;
    std::memcpy(&node, bytes.data() + 16 + 2 * entry, 2);
    std::memcpy(&size, bytes.data() + node + 6, 2);
    bytes[node + 8u + size - 1] = to;
    write(number, bytes);
  }
  std::uint16_t depth() const { return meta_.main.depth; }

  std::vector<DamagedPage> damage;

 private:
  TempDir directory_;
  std::string path_;
  File file_;
  Meta meta_;
};

std::vector<std::string> forward(TreeCursor cursor) {
  std::vector<std::string> keys;
  for (bool found = cursor.first(); found; found = cursor.next()) keys.emplace_back(cursor.key());
  return keys;
}

std::vector<std::string> backward(TreeCursor cursor) {
  std::vector<std::string> keys;
  for (bool found = cursor.last(); found; found = cursor.previous()) keys.emplace_back(cursor.key());
  std::reverse(keys.begin(), keys.end());
  return keys;
}

std::vector<std::string> all_but(std::uint32_t entries, const std::vector<std::string>& lost) {
  std::vector<std::string> keys;
  for (std::uint32_t n = 0; n < entries; ++n)
    if (std::find(lost.begin(), lost.end(), key_of(2 * n)) == lost.end()) keys.push_back(key_of(2 * n));
  return keys;
}

constexpr std::uint32_t many = 10000;

}  // namespace

TEST_CASE("a whole tree is gone through both ways, and every place is found") {
  Tree tree(many);
  REQUIRE(tree.depth() == 3);
  CHECK(forward(tree.cursor()) == all_but(many, {}));
  CHECK(backward(tree.cursor()) == all_but(many, {}));
  TreeCursor cursor = tree.cursor();
  for (std::uint32_t n = 0; n < 2 * many; n += 7) {
    CAPTURE(n);
    const std::uint32_t at = n + n % 2;
    REQUIRE(cursor.seek_from(key_of(n)) == (at < 2 * many));
    if (cursor.valid()) CHECK(cursor.key() == key_of(at));
    REQUIRE(cursor.seek_before(key_of(n)) == (n > 0));
    if (cursor.valid()) {
      CHECK(cursor.key() == key_of(at - 2));
      CHECK(cursor.value(1000).value().starts_with(cursor.key()));
    }
  }
  CHECK(cursor.seek_before("zzz"));
  CHECK(cursor.key() == key_of(2 * many - 2));
  CHECK_FALSE(cursor.next());
  CHECK_FALSE(cursor.seek_from("zzz"));
  CHECK_FALSE(cursor.seek_before("a"));
  CHECK(tree.damage.empty());
}

TEST_CASE("around a page that is no page, both ways, whatever its level") {
  Tree tree(many);
  const std::vector<PageNumber> branches = tree.children(tree.root());
  REQUIRE(branches.size() >= 3);
  const std::vector<PageNumber> leaves = tree.children(branches[1]);
  for (const PageNumber page : {leaves[3], leaves.front(), leaves.back(), branches[1]}) {
    CAPTURE(page);
    std::vector<std::string> lost;
    if (page == branches[1])
      for (const PageNumber leaf : leaves) std::ranges::move(tree.keys_of(leaf), std::back_inserter(lost));
    else
      lost = tree.keys_of(page);
    const std::string sound = tree.read(page);
    tree.write(page, std::string(page_bytes, '\xff'));
    CHECK(forward(tree.cursor()) == all_but(many, lost));
    REQUIRE(tree.damage.size() == 1);
    CHECK(tree.damage[0].page == page);
    CHECK(tree.damage[0].first <= lost.front());
    CHECK(tree.damage[0].end > lost.back());
    CHECK_FALSE(tree.damage[0].fault.unreadable);
    CHECK(backward(tree.cursor()) == all_but(many, lost));
    TreeCursor cursor = tree.cursor();
    tree.damage.clear();
    CHECK(cursor.seek_from(lost[0]));
    CHECK(cursor.key() > lost.back());
    CHECK_FALSE(tree.damage.empty());
    CHECK(cursor.seek_before(lost.back()));
    CHECK(cursor.key() < lost.front());
    tree.write(page, sound);
    tree.damage.clear();
  }
}

TEST_CASE("a damaged key on a leaf loses its own entry alone, and is told") {
  Tree tree(many);
  const PageNumber leaf = tree.children(tree.children(tree.root())[1])[2];
  const std::vector<std::string> keys = tree.keys_of(leaf);
  for (const std::size_t entry : {std::size_t{0}, std::size_t{4}, keys.size() - 1})
    for (const char to : {'\x01', '\xfe'}) {
      CAPTURE(entry);
      CAPTURE(int(to));
      const std::string sound = tree.read(leaf);
      tree.change_key(leaf, entry, to);
      tree.damage.clear();
      std::vector<std::string> found = forward(tree.cursor());
      CHECK(found == backward(tree.cursor()));
      CHECK(tree.damage.size() <= 2);
      // Where the change leaves an order it is a key like others: the row's checksum tells.
      std::erase_if(found,
                    [](const std::string& key) { return key.back() == '\x01' || key.back() == '\xfe'; });
      CHECK(found == all_but(many, {keys[entry]}));
      TreeCursor cursor = tree.cursor();
      for (const std::string& key : keys)
        if (key != keys[entry]) CHECK((cursor.seek_from(key) && cursor.key() == key));
      tree.write(leaf, sound);
    }
}

TEST_CASE("a damaged key on a branch loses nothing, and is told") {
  Tree tree(many);
  const PageNumber branch = tree.children(tree.root())[1];
  for (const PageNumber page : {branch, tree.root()})
    for (const char to : {'\x01', '\xfe'}) {
      CAPTURE(page);
      const std::string sound = tree.read(page);
      std::string bytes = sound;
      std::uint16_t node = 0;
      std::memcpy(&node, bytes.data() + 16 + 2, 2);
      bytes[node + 8u] = to;  // its first byte
      tree.write(page, bytes);
      tree.damage.clear();
      CHECK(forward(tree.cursor()) == all_but(many, {}));
      CHECK_FALSE(tree.damage.empty());
      CHECK(backward(tree.cursor()) == all_but(many, {}));
      TreeCursor cursor = tree.cursor();
      for (std::uint32_t n = 0; n < many; n += 3)
        CHECK((cursor.seek_from(key_of(2 * n)) && cursor.key() == key_of(2 * n)));
      tree.write(page, sound);
    }
}

TEST_CASE("a page that leads back ends") {
  Tree tree(many);
  const PageNumber first = tree.children(tree.root())[0];
  const PageNumber second = tree.children(tree.root())[1];
  std::string bytes = tree.read(first);
  std::memcpy(bytes.data(), &second, sizeof second);
  tree.write(second, bytes);
  const auto found = forward(tree.cursor());
  CHECK(std::is_sorted(found.begin(), found.end()));
  CHECK(found.size() < many);
  CHECK_FALSE(tree.damage.empty());
  CHECK(backward(tree.cursor()) == found);
}
