// Damage below the records: pages overwritten, cut off, used twice, lost.
#include <cstring>

#include "spool/inspect/page_account.h"
#include "tests/unit/inspect/support.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;

namespace {

constexpr std::size_t page_bytes = 4096;

std::string data_of(const TempDir& directory) { return directory.spool() + "/data.mdb"; }

std::string read_all(const TempDir& directory) {
  std::ifstream in(data_of(directory), std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_all(const TempDir& directory, const std::string& bytes) {
  std::ofstream out(data_of(directory), std::ios::binary | std::ios::trunc);
  out << bytes;
}

// What every page is for, as check sees a sound file: 'm'eta, 'f'ree or 'u'sed.
std::string uses(const TempDir& directory) {
  const auto file = must(SpoolFile::open(directory.spool()));
  const auto view = must(file->view());
  std::string uses(view.meta().last + 1, 'u');
  uses[0] = uses[1] = 'm';
  Faults quiet([](const Fault&) {});
  read_free_pages(view, quiet, [&](PageNumber page) { uses[page] = 'f'; });
  return uses;
}

std::optional<Checked> try_check(const TempDir& directory) {
  Checked checked;
  const auto file = SpoolFile::open(directory.spool());
  if (!file) return std::nullopt;
  auto report = check_spool(
      **file, {}, [&](Fault fault) { checked.faults.push_back(std::move(fault)); },
      [](std::uint64_t, std::uint64_t) {});
  if (!report) return std::nullopt;
  checked.report = *report;
  return checked;
}

// The bytes of LMDB's note about a table, wherever in the file the newest commit has it.
void edit_root(const TempDir& directory, Table table, const std::function<void(char* root)>& change) {
  std::string bytes = read_all(directory);
  const auto file = must(SpoolFile::open(directory.spool()));
  const auto view = must(file->view());
  bool done = false;
  TreeCursor cursor(view.pages(), view.meta().main, [](const DamagedPage&) {});
  for (bool found = cursor.first(); found; found = cursor.next()) {
    if (cursor.key() != name(table)) continue;
    std::size_t at = 0;
    for (PageNumber page = 2; page <= view.meta().last; ++page) {
      const std::string_view all(bytes.data() + page * page_bytes, page_bytes);
      const std::size_t where = all.find(cursor.where().inside);
      if (where != std::string_view::npos && page == view.meta().main.root) at = page * page_bytes + where;
    }
    REQUIRE(at != 0);
    change(bytes.data() + at);
    done = true;
  }
  REQUIRE(done);
  write_all(directory, bytes);
}

template <class Number>
void add_to(char* at, Number more) {
  Number value{};
  std::memcpy(&value, at, sizeof value);
  value = static_cast<Number>(value + more);
  std::memcpy(at, &value, sizeof value);
}

bool has(const Checked& checked, FaultKind kind) {
  return std::any_of(checked.faults.begin(), checked.faults.end(),
                     [&](const Fault& f) { return f.kind == kind; });
}

}  // namespace

TEST_CASE("whatever page is overwritten, it is found, and nothing crashes") {
  TempDir directory;
  fill(directory);
  const std::string sound = read_all(directory);
  const std::string use = uses(directory);
  REQUIRE(std::count(use.begin(), use.end(), 'f') > 3);
  std::size_t damaged = 0, refused = 0;
  for (PageNumber page = 0; page < use.size(); ++page)
    for (const int way : {0, 1, 2, 3}) {
      CAPTURE(page);
      CAPTURE(way);
      std::string bytes = sound;
      char* at = bytes.data() + page * page_bytes;
      if (way == 0) std::memset(at, 0, page_bytes);
      if (way == 1) std::memcpy(at, some_bytes(page_bytes, page).data(), page_bytes);
      if (way == 2)
        std::memcpy(at + 16, some_bytes(page_bytes, page).data(), page_bytes - 16);  // its head stays
      if (way == 3) std::memcpy(at, sound.data() + 2 * page_bytes, page_bytes);  // another page in its place
      if (bytes == sound) continue;
      write_all(directory, bytes);
      const auto checked = try_check(directory);
      if (use[page] == 'f') {
        REQUIRE(checked);
        CHECK(checked->lines() == Lines{});
      } else if (checked) {
        CHECK(checked->report.faults > 0);
        ++damaged;
      } else {
        ++refused;
      }
    }
  CHECK(refused <= 2);  // the page that says which format it is, full of noise
  CHECK(damaged > 3 * static_cast<std::size_t>(std::count(use.begin(), use.end(), 'u')));
}

TEST_CASE("wherever the file ends early, it is found, and nothing crashes") {
  TempDir directory;
  fill(directory);
  const std::string sound = read_all(directory);
  const std::string use = uses(directory);
  const std::size_t last_used = use.rfind('u');
  for (std::size_t pages = 0; pages <= last_used; ++pages) {
    CAPTURE(pages);
    write_all(directory, sound.substr(0, pages * page_bytes + (pages % 2 ? 100 : 0)));
    const auto checked = try_check(directory);
    if (pages >= 3) REQUIRE(checked);
    if (checked) CHECK(checked->report.faults > 0);
  }
}

TEST_CASE("random bytes anywhere: never a crash, and always an end") {
  TempDir directory;
  fill(directory);
  const std::string sound = read_all(directory);
  SeededRng rng(20261121);
  const std::size_t used = uses(directory).size() * page_bytes;
  for (int round = 0; round < 300; ++round) {
    std::string bytes = sound;
    for (int i = 0; i < 8; ++i) {
      const std::size_t page = rng.below(used / page_bytes) * page_bytes;
      const std::size_t at = page + (rng.below(2) == 0 ? rng.below(64) : rng.below(page_bytes));
      bytes[at] = static_cast<char>(rng.next());
    }
    write_all(directory, bytes);
    try_check(directory);
  }
}

TEST_CASE("a damaged meta page leaves the other commit") {
  TempDir directory;
  fill(directory);
  std::string bytes = read_all(directory);
  for (const PageNumber page : {0u, 1u}) {
    std::string damaged = bytes;
    std::memset(damaged.data() + page * page_bytes + 16, 0, 64);
    write_all(directory, damaged);
    const Checked checked = check(directory);
    CHECK(has(checked, FaultKind::meta_page));
    CHECK(checked.faults[0].page == page);
    CHECK(checked.report.messages == 4);
  }
  std::memset(bytes.data(), 0, 2 * page_bytes);
  write_all(directory, bytes);
  const auto none = SpoolFile::open(directory.spool());
  REQUIRE_FALSE(none);
  CHECK(none.error().code == Errc::corrupt);
}

TEST_CASE("a damaged page is named with the messages that were on it") {
  TempDir directory;
  {
    const auto store = open(directory);
    for (std::uint32_t n = 1; n <= 200; ++n) apply(*store, accept({.number = n}));
  }
  PageNumber root = 0;
  edit_root(directory, Table::queue, [&](char* at) { std::memcpy(&root, at + 40, sizeof root); });
  const auto file = must(SpoolFile::open(directory.spool()));
  const auto view = must(file->view());
  std::string bytes;
  REQUIRE(view.pages().read(root, bytes, page_bytes));
  const Page page = Page::parse(bytes, root).value();
  REQUIRE_FALSE(page.leaf());
  REQUIRE(page.size() > 2);
  const MessageId from = message_of(page.key(1));
  const MessageId to = message_of(page.key(2));
  std::string all = read_all(directory);
  std::memset(all.data() + page.child(1) * page_bytes, 0, page_bytes);
  write_all(directory, all);
  const Checked checked = check(directory);
  const auto& fault = checked.faults.at(0);
  CHECK(fault.kind == FaultKind::page_damaged);
  CHECK(fault.table == Table::queue);
  CHECK(fault.what.find("from " + from.text() + " to " + to.text()) != std::string::npos);
  // Those on it are lost, and no others.
  CHECK(checked.faults.size() == 1 + (to.time() - from.time()) / std::chrono::seconds(1));
  CHECK(checked.faults.at(1).kind == FaultKind::recipient_lost);
}

TEST_CASE("counts that are not those of the tree") {
  TempDir directory;
  fill(directory);
  edit_root(directory, Table::queue, [](char* root) { add_to<std::uint64_t>(root + 32, 1); });
  CHECK(check(directory).lines() == Lines{"row_count queue"});
  TempDir other;
  fill(other);
  edit_root(other, Table::events, [](char* root) { add_to<std::uint64_t>(root + 16, 3); });
  CHECK(check(other).lines() == Lines{"page_count events"});
}

TEST_CASE("a tree that claims another depth") {
  TempDir directory;
  fill(directory);
  edit_root(directory, Table::queue, [](char* root) { add_to<std::uint16_t>(root + 6, 1); });
  CHECK(has(check(directory), FaultKind::page_damaged));
  edit_root(directory, Table::queue, [](char* root) { add_to<std::uint16_t>(root + 6, 5000); });
  CHECK(has(check(directory), FaultKind::page_damaged));
}

TEST_CASE("two tables with one tree") {
  TempDir directory;
  fill(directory);
  char events[48];
  edit_root(directory, Table::events, [&](char* root) { std::memcpy(events, root, sizeof events); });
  edit_root(directory, Table::keys, [&](char* root) { std::memcpy(root, events, sizeof events); });
  CHECK(has(check(directory), FaultKind::page_shared));
}

TEST_CASE("rows out of order") {
  TempDir directory;
  fill(directory);
  PageNumber root = 0;
  edit_root(directory, Table::messages, [&](char* at) { std::memcpy(&root, at + 40, sizeof root); });
  std::string bytes = read_all(directory);
  char* slots = bytes.data() + root * page_bytes + 16;
  std::swap_ranges(slots, slots + 2, slots + 2);
  write_all(directory, bytes);
  const Checked checked = check(directory);
  CHECK(has(checked, FaultKind::row_order));
}

TEST_CASE("the list of free pages: one in use, one lost, one that does not exist") {
  TempDir directory;
  fill(directory);
  apply(*open(directory), set_status({id(3), 7}, EventType::released, Status::queued, 0));
  const std::string sound = read_all(directory);
  const std::string use = uses(directory);
  const PageNumber used = use.find('u');
  PageNumber list = 0;
  {
    const auto file = must(SpoolFile::open(directory.spool()));
    const auto view = must(file->view());
    REQUIRE(view.meta().free.depth == 1);
    list = view.meta().free.root;
  }
  // The first list on the page: its key is 8 bytes, then its length and the pages.
  std::uint16_t offset = 0;
  std::memcpy(&offset, sound.data() + list * page_bytes + 16, sizeof offset);
  const std::size_t length = list * page_bytes + offset + 8 + 8;
  const auto with = [&](std::size_t at, std::uint64_t value) {
    std::string bytes = sound;
    std::memcpy(bytes.data() + at, &value, sizeof value);
    write_all(directory, bytes);
    return check(directory);
  };
  std::uint64_t count = 0;
  std::memcpy(&count, sound.data() + length, sizeof count);
  REQUIRE(count > 1);
  CHECK(has(with(length + 8, used), FaultKind::free_list));
  CHECK(has(with(length + 8, 1'000'000), FaultKind::free_list));
  CHECK(has(with(length, 1u << 30), FaultKind::free_list));
  CHECK(with(length, count - 1).lines() == Lines{"page_lost"});
}
