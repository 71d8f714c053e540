// The file itself: who may open it, what happens when it is damaged or full.
#include <fcntl.h>
#include <lmdb.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <thread>

#include "spool/lmdb_env.h"
#include "tests/unit/spool/damage.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;

namespace {

unsigned mode_of(const std::string& path) {
  struct stat s{};
  REQUIRE(stat(path.c_str(), &s) == 0);
  return s.st_mode & 0777;
}

// Changes one value of a closed spool behind its back.
void edit(const TempDir& directory, Table table, const std::function<bool(std::string& value)>& change) {
  const auto environment = must(Environment::open(settings(directory)));
  auto txn = must(Txn::begin_write(*environment));
  {
    auto cursor = must(Cursor::open(txn, table));
    for (bool found = must(cursor.first()); found; found = must(cursor.next())) {
      const std::string key(cursor.key());
      std::string value(must(cursor.value()));
      if (!change(value)) continue;
      must(cursor.put(key, value));
      break;
    }
  }
  must(txn.commit());
}

}  // namespace

TEST_CASE("the spool is made for its owner alone, parents included") {
  TempDir directory;
  LmdbSettings s = settings(directory);
  s.directory += "/deep/er";
  must(open_lmdb(s));
  CHECK(mode_of(s.directory) == 0700);
  CHECK(mode_of(s.directory + "/data.mdb") == 0600);
  CHECK(mode_of(s.directory + "/relay.lock") == 0600);
}

TEST_CASE("a second opener is refused by name, and may come when the first has gone") {
  TempDir directory;
  auto first = open(directory);
  const auto second = open_lmdb(settings(directory));
  REQUIRE_FALSE(second);
  CHECK(second.error().code == Errc::conflict);
  CHECK(second.error().message.find("process " + std::to_string(getpid())) != std::string::npos);
  CHECK(second.error().message.find("relay.lock") != std::string::npos);
  first.reset();
  CHECK(open_lmdb(settings(directory)).has_value());
}

// As after kill -9: the file as it lies there while the program still has it open.
TEST_CASE("what is committed is in the file, whatever becomes of the program") {
  TempDir directory, crashed;
  LmdbSettings s = settings(directory);
  s.durability = Durability::sync;
  const auto store = must(open_lmdb(s));
  for (std::uint32_t n = 1; n <= 5; ++n) {
    apply(*store, accept({.number = n, .content = some_bytes(10'000, n)}));
    if (n > 1) apply(*store, attempted({id(n - 1), 0}, Status::delivered));
    std::filesystem::remove_all(crashed.spool());
    std::filesystem::create_directory(crashed.spool());
    std::filesystem::copy_file(s.directory + "/data.mdb", crashed.spool() + "/data.mdb");
    const auto after = open(crashed);
    CHECK(must(after->counts()).messages == n);
    CHECK(must(after->counts()).queued == 1);
    CHECK(must(after->load(id(n)))->body->flatten() == some_bytes(10'000, n));
  }
}

TEST_CASE("a format that is not known, or no spool at all, is refused with a sentence") {
  TempDir directory;
  open(directory);
  edit(directory, Table::meta, [](std::string& value) { return value == "2" ? (value = "3", true) : false; });
  const auto refused = open_lmdb(settings(directory));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("format \"3\"") != std::string::npos);
  CHECK(refused.error().message.find(directory.spool()) != std::string::npos);

  TempDir other;
  std::filesystem::create_directory(other.spool());
  std::ofstream(other.spool() + "/data.mdb") << std::string(100'000, 'x');
  CHECK(open_lmdb(settings(other)).error().code == Errc::corrupt);

  TempDir file;
  std::ofstream(file.spool()) << "not a directory";
  CHECK(open_lmdb(settings(file)).error().message.find("could not make the spool directory") == 0);
}

TEST_CASE("the rows of a body go with the last open recipient, those of a message with purge") {
  TempDir directory;
  const auto entries = [&](Table table) {
    const auto environment = must(Environment::open(settings(directory)));
    return must(must(Txn::begin_read(*environment)).entries(table));
  };
  apply(*open(directory), accept({.number = 1, .recipients = 300, .content = some_bytes(50'000, 1)}),
        accept({.number = 2, .content = "two"}));
  CHECK(entries(Table::bodies) == 14);
  CHECK(entries(Table::queue) == 301);
  {
    const auto store = open(directory);
    for (std::uint32_t i = 0; i < 299; ++i) apply(*store, attempted({id(1), i}, Status::delivered));
  }
  CHECK(entries(Table::bodies) == 14);
  apply(*open(directory), attempted({id(1), 299}, Status::failed));
  CHECK(entries(Table::bodies) == 1);
  CHECK(entries(Table::queue) == 1);
  CHECK(entries(Table::events) == 300);
  CHECK(entries(Table::rest) > 0);
  apply(*open(directory), Purge{at(100)});
  CHECK(entries(Table::messages) == 1);
  for (const Table table : {Table::rest, Table::events}) CHECK(entries(table) == 0);
  CHECK(entries(Table::accounts) == 1);
}

TEST_CASE("no value takes more than one page, so no search for pages in a row") {
  TempDir directory;
  apply(*open(directory), accept({.recipients = 1000, .content = some_bytes(500'000, 3)}));
  const auto environment = must(Environment::open(settings(directory)));
  const auto txn = must(Txn::begin_read(*environment));
  for (const Table table : {Table::bodies, Table::rest, Table::messages}) {
    MDB_stat stat{};
    mdb_stat(txn.get(), environment->dbi(table), &stat);
    CAPTURE(name(table));
    CHECK(stat.ms_entries > 0);
    CHECK(stat.ms_overflow_pages <= stat.ms_entries);
  }
}

TEST_CASE("a full map refuses new mail whole, records outcomes, and takes mail again when there is room") {
  TempDir directory;
  LmdbSettings s = settings(directory);
  s.map_bytes = 8u << 20;
  const auto store = must(open_lmdb(s));
  std::uint32_t number = 0;
  Result<Applied> result;
  while (result) {
    const Operation operations[] = {accept({.number = ++number, .content = some_bytes(100'000, number)}),
                                    accept({.number = ++number, .content = some_bytes(30'000, number)})};
    result = store->apply(operations);
    REQUIRE(number < 1000);
  }
  CHECK(result.error().code == Errc::full);
  CHECK(number > 60);
  CHECK_FALSE(must(store->find(id(number - 1))).has_value());
  CHECK_FALSE(must(store->find(id(number))).has_value());
  const auto open_before = must(store->counts()).queued;
  CHECK(open_before == number - 2);

  // Deferrals only take room, and the reserve has it: an eighth of the map, 1 MiB.
  std::vector<Operation> deferrals;
  for (int round = 0; round < 40; ++round)
    for (std::uint32_t i = 1; i <= number - 2; ++i)
      deferrals.push_back(attempted({id(i), 0}, Status::queued));
  CHECK(deferrals.size() > 2400);
  must(store->apply(deferrals));
  for (std::uint32_t i = 1; i <= 20; ++i) apply(*store, attempted({id(i), 0}, Status::delivered));
  CHECK(must(store->counts()).queued == open_before - 20);
  apply(*store, accept({.number = 5000, .content = some_bytes(100'000, 1)}));
  CHECK(must(store->load(id(5000)))->body->size() == 100'000);
}

TEST_CASE("the free pages counted are those of LMDB's list of them") {
  TempDir directory;
  {
    const auto store = open(directory);
    for (std::uint32_t n = 1; n <= 40; ++n)
      apply(*store, accept({.number = n, .recipients = 1 + n % 3, .content = some_bytes(n * 2000, n)}));
    for (std::uint32_t n = 1; n <= 40; n += 3) apply(*store, attempted({id(n), 0}, Status::failed));
    for (std::uint32_t n = 3; n <= 40; n += 3) apply(*store, attempted({id(n), 0}, Status::delivered));
  }
  const auto environment = must(Environment::open(settings(directory)));
  const auto txn = must(Txn::begin_read(*environment));
  std::uint64_t listed = 0;
  MDB_cursor* cursor = nullptr;
  REQUIRE(mdb_cursor_open(txn.get(), 0, &cursor) == 0);
  for (MDB_val key{}, value{}; mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0;) {
    std::size_t length = 0;
    std::memcpy(&length, value.mv_data, sizeof length);
    listed += length;
  }
  mdb_cursor_close(cursor);
  CHECK(listed > 100);
  CHECK(must(environment->free_bytes()) == listed * 4096);
}

TEST_CASE("holes of a file that was copied sparsely are filled before mail is taken") {
  TempDir directory;
  LmdbSettings s = settings(directory);
  s.durability = Durability::sync;
  s.map_bytes = 32u << 20;
  apply(*must(open_lmdb(s)), accept({.number = 1}));
  const std::string path = s.directory + "/data.mdb";
  const auto blocks = [&] {
    struct stat now{};
    REQUIRE(stat(path.c_str(), &now) == 0);
    return std::pair(now.st_blocks * 512, now.st_size);
  };
  const auto [before, length] = blocks();
  CHECK(before >= length);
  const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(file >= 0);
  const bool punched = fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1 << 20, 1 << 20) == 0;
  ::close(file);
  REQUIRE(punched);
  CHECK(blocks().first < length);
  apply(*must(open_lmdb(s)), accept({.number = 2}));
  CHECK(blocks().first >= blocks().second);
}

TEST_CASE("a batch that overflows the map in its middle changes nothing and may be tried again") {
  TempDir directory;
  LmdbSettings s = settings(directory);
  s.map_bytes = 2u << 20;
  s.reserve_bytes = 0;
  const auto store = must(open_lmdb(s));
  apply(*store, accept({.number = 1}));
  // Outcomes are tried to the very end.
  std::vector<Operation> batch;
  for (int i = 0; i < 20'000; ++i) batch.push_back(attempted({id(1), 0}, Status::queued));
  CHECK(store->apply(batch).error().code == Errc::full);
  CHECK(must(store->find(id(1)))->recipients[0].attempts == 0);
  apply(*store, attempted({id(1), 0}, Status::delivered));
  CHECK(must(store->find(id(1)))->recipients[0].status == Status::delivered);
}

TEST_CASE("relaxed commits are visible at once and can be synced") {
  TempDir directory;
  LmdbSettings s = settings(directory);
  s.durability = Durability::relaxed;
  {
    const auto store = must(open_lmdb(s));
    for (std::uint32_t n = 1; n <= 5; ++n) apply(*store, accept({.number = n}));
    CHECK(must(store->counts()).messages == 5);
    must(store->sync());
  }
  CHECK(must(must(open_lmdb(s))->counts()).messages == 5);
}

TEST_CASE("what a failure of LMDB means") {
  struct Case {
    int code;
    Errc meaning;
  };
  for (const auto& [code, meaning] :
       {Case{ENOSPC, Errc::full}, Case{EDQUOT, Errc::full}, Case{EFBIG, Errc::full},
        Case{MDB_MAP_FULL, Errc::full}, Case{EROFS, Errc::unavailable}, Case{EACCES, Errc::unavailable},
        Case{ENOMEM, Errc::unavailable}, Case{MDB_CORRUPTED, Errc::corrupt},
        Case{MDB_PAGE_NOTFOUND, Errc::corrupt}, Case{EIO, Errc::system}, Case{MDB_PANIC, Errc::system}}) {
    CAPTURE(code);
    const Error error = lmdb_failure(code, "do this").error();
    CHECK(error.code == meaning);
    CHECK(may_pass(error) == (meaning == Errc::full || meaning == Errc::unavailable));
    CHECK(error.message.find("could not do this: ") == 0);
  }
}

// A file that may not grow is a disk that is full: the process's limit stands for it.
TEST_CASE("pages that find no room leave nothing in doubt, and are taken when there is room") {
  for (const Durability durability : {Durability::sync, Durability::relaxed}) {
    TempDir directory;
    LmdbSettings s = settings(directory);
    s.durability = durability;
    s.reserve_bytes = 0;
    const auto store = must(open_lmdb(s));
    for (std::uint32_t n = 1; n <= 3; ++n) apply(*store, accept({.number = n}));
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
    struct sigaction handler{};
    struct sigaction handler_before{};
    handler.sa_handler = SIG_IGN;  // then the write fails with EFBIG
    REQUIRE(sigaction(SIGXFSZ, &handler, &handler_before) == 0);
    // No new mail, so that no room is asked for before: the pages' own writes fail.
    std::vector<Operation> outcomes;
    for (int i = 0; i < 3000; ++i) outcomes.push_back(attempted({id(1), 0}, Status::queued));
    rlimit small = before;
    small.rlim_cur = 100'000;
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    const auto refused = store->apply(outcomes);
    const auto refused_again = store->apply(outcomes);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
    REQUIRE(sigaction(SIGXFSZ, &handler_before, nullptr) == 0);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::full);
    CHECK(refused_again.error().code == Errc::full);
    CHECK(must(store->find(id(1)))->recipients[0].attempts == 0);
    must(store->apply(outcomes));
    CHECK(must(store->find(id(1)))->recipients[0].attempts == 3000);
    must(store->sync());
  }
}

// A process that was killed while it made a spool leaves what it had of it aside.
TEST_CASE("a spool whose making was cut off is made anew, whatever there is of it") {
  for (const std::uintmax_t length : {0, 1, 7, 4095, 4096, 4097, 8191, 8192}) {
    CAPTURE(length);
    TempDir directory;
    std::filesystem::create_directories(directory.spool() + "/making");
    std::ofstream(directory.spool() + "/making/data.mdb") << std::string(length, 'x');
    const auto store = must(open_lmdb(settings(directory)));
    CHECK(apply(*store, accept({})).stale == 0);
    CHECK(must(store->counts()).messages == 1);
    CHECK_FALSE(std::filesystem::exists(directory.spool() + "/making"));
  }
}

TEST_CASE("a file that is no spool's is left alone and refused with a sentence") {
  TempDir directory;
  std::filesystem::create_directory(directory.spool());
  const std::string file = directory.spool() + "/data.mdb";
  const auto refused = [&](std::string_view sentence) {
    const auto opened = open_lmdb(settings(directory));
    REQUIRE_FALSE(opened);
    CAPTURE(opened.error().message);
    CHECK(opened.error().message.find(file) != std::string::npos);
    CHECK(opened.error().message.find(sentence) != std::string::npos);
  };
  std::ofstream(file) << "my notes";
  refused("is not an LMDB file");
  CHECK(std::filesystem::file_size(file) == 8);
  std::filesystem::resize_file(file, 0);
  refused("is empty");
  std::filesystem::remove(file);
  std::filesystem::create_directory(file);
  refused("Is a directory");
  std::filesystem::remove(file);
  {
    MDB_env* raw = nullptr;
    REQUIRE(mdb_env_create(&raw) == 0);
    const std::unique_ptr<MDB_env, decltype(&mdb_env_close)> env(raw, &mdb_env_close);
    REQUIRE(mdb_env_open(raw, directory.spool().c_str(), 0, 0600) == 0);
  }
  refused("is an LMDB file that is not a spool");
}

TEST_CASE("a spool's file that nothing must be written to is refused with a sentence") {
  struct Case {
    const char* sentence;
    std::function<void(RawFile&)> change;
  };
  const auto set = [](RawFile& file, PageNumber page, std::size_t at, auto value) {
    std::string bytes = file.read(page);
    std::memcpy(bytes.data() + at, &value, sizeof value);
    file.write(page, bytes);
  };
  constexpr std::size_t page_size = 16 + 24, last = 16 + 24 + 96, commit = last + 8;  // of a meta page
  const Case cases[] = {
      {"has pages of 8192 bytes, and this machine's are of 4096",
       [&](RawFile& f) {
         set(f, 0, page_size, std::uint32_t{8192});
         f.write(2, f.read(1));  // where the second would be
         set(f, 2, page_size, std::uint32_t{8192});
       }},
      {"meta page 1: its mark is not LMDB's", [&](RawFile& f) { set(f, 1, 16, std::uint32_t{7}); }},
      {"do not follow each other", [&](RawFile& f) { set(f, 0, commit, std::uint64_t{1000}); }},
      {"pages are in use", [&](RawFile& f) { set(f, f.meta().commit % 2, last, std::uint64_t{1} << 40); }},
      {"of the list of free pages",
       [&](RawFile& f) { f.write(f.meta().free.root, std::string(page_bytes, '\0')); }},
      {"where the tables are named",
       [&](RawFile& f) { f.write(f.meta().main.root, std::string(page_bytes, '\0')); }},
      {"the table queue is not there",
       [&](RawFile& f) {
         std::string bytes = f.read(f.meta().main.root);
         bytes[bytes.find("queue") + 1] = 'v';
         f.write(f.meta().main.root, bytes);
       }},
      {"is used by the table queue and in the list of free pages",
       [&](RawFile& f) {
         // The first list on the page: its key, its length, its first and largest page.
         std::uint16_t node = 0;
         const std::string bytes = f.read(f.meta().free.root);
         std::memcpy(&node, bytes.data() + 16, 2);
         PageNumber leaf = 0;
         for (const PageNumber each : f.leaves(Table::queue)) leaf = std::max(leaf, each);
         set(f, f.meta().free.root, node + 8u + 8u, std::uint64_t{1});
         set(f, f.meta().free.root, node + 8u + 8u + 8u, leaf);
       }},
  };
  for (const auto& [sentence, change] : cases) {
    CAPTURE(sentence);
    TempDir directory;
    {
      const auto store = open(directory);
      for (std::uint32_t n = 1; n <= 60; ++n) apply(*store, accept({.number = n}));
    }
    {
      RawFile file(directory);
      REQUIRE(file.meta().free.depth == 1);
      change(file);
    }
    const auto refused = open_lmdb(settings(directory));
    REQUIRE_FALSE(refused);
    CAPTURE(refused.error().message);
    CHECK(refused.error().message.find(sentence) != std::string::npos);
    CHECK(refused.error().message.find(directory.spool() + "/data.mdb") != std::string::npos);
  }
}

TEST_CASE("a meta page that was half written is the older of the two, and harms nothing") {
  TempDir directory;
  for (std::uint32_t n = 1; n <= 2; ++n) {  // either page is the older once
    {
      const auto store = open(directory);
      apply(*store, accept({.number = n}));
    }
    {
      RawFile file(directory);
      const PageNumber older = 1 - file.meta().commit % 2;
      std::string bytes = file.read(older);
      constexpr std::size_t trees = 16 + 24, trees_bytes = 96, last_bytes = 8;
      for (const std::size_t half : {trees + 8, trees + trees_bytes - 1, trees + trees_bytes + last_bytes}) {
        std::fill(bytes.begin() + trees + 4, bytes.begin() + static_cast<std::ptrdiff_t>(half), '\x7f');
        file.write(older, bytes);
        CHECK(claim(*open(directory)).claimed.recipients == n);
      }
    }
    const auto store = open(directory);
    apply(*store, accept({.number = n + 10}), attempted({id(n + 10), 0}, Status::delivered));
  }
}

TEST_CASE("a file that was cut short is told, and what is left of it is delivered") {
  TempDir directory;
  {
    const auto store = open(directory);
    for (std::uint32_t n = 1; n <= 50; ++n)
      apply(*store, accept({.number = n, .content = some_bytes(20'000, n)}));
    ApiKey key;
    key.id.value = "abc";
    apply(*store, PutKey{key});
  }
  const auto chunks = RawFile(directory).value_pages(Table::bodies);
  const PageNumber last = RawFile(directory).meta().last;
  const std::string file = directory.spool() + "/data.mdb";
  // From the end on, until something else than content is missing.
  std::size_t cut = 0;
  while (std::find(chunks.begin(), chunks.end(), last - cut) != chunks.end()) ++cut;
  std::filesystem::resize_file(file, (last + 1 - cut) * page_bytes);
  const auto store = open(directory);
  CHECK(claim(*store).claimed.recipients == 50);
  std::size_t whole = 0;
  for (std::uint32_t n = 1; n <= 50; ++n) {
    const auto loaded = store->load(id(n));
    if (loaded)
      ++whole;
    else
      CHECK(loaded.error().code == Errc::system);  // the file may be there again one day
  }
  CHECK(whole >= 40);
  CHECK((whole < 50 || cut == 0));
}

TEST_CASE("a directory that may not be entered or written is named") {
  TempDir directory;
  {
    open(directory);
  }
  // The thread gives up root's privilege of passing permissions, if it has it.
  std::string closed, unreadable;
  std::thread other([&] {
    setfsuid(65534);
    const auto refused = open_lmdb(settings(directory));
    if (!refused) closed = refused.error().message;
  });
  other.join();
  if (geteuid() == 0) {
    CHECK(closed.find(directory.spool()) != std::string::npos);
    CHECK(closed.find("Permission denied") != std::string::npos);
  } else {
    CHECK(closed.empty());
  }
}
