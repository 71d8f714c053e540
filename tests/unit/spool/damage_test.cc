// Records and pages that are not what was written: each costs what lay there, is named, and nothing else.
#include <algorithm>
#include <cstring>

#include "tests/unit/spool/damage.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;

namespace {

bool says(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

bool any_says(const std::vector<std::string>& texts, std::string_view part) {
  return std::any_of(texts.begin(), texts.end(), [&](const auto& text) { return says(text, part); });
}

}  // namespace

TEST_CASE("a damaged record is named, and never shown") {
  struct Case {
    Table table;
    const char* named;
  };
  for (const auto& [table, named] :
       {Case{Table::messages, "table messages, msg_"}, Case{Table::rest, "table rest, msg_"},
        Case{Table::bodies, "table bodies, msg_"}, Case{Table::queue, "table queue, msg_"},
        Case{Table::events, "table events, msg_"}}) {
    CAPTURE(named);
    TempDir directory;
    apply(*open(directory), accept({.recipients = 500, .content = some_bytes(9000, 3)}),
          accept({.number = 2}));
    apply(*open(directory), attempted({id(1), 0}, Status::queued));
    edit_row(directory, table, 0, flip_last);
    const auto store = open(directory);
    const auto view = store->find(id(1));
    if (table == Table::messages || table == Table::rest) {
      REQUIRE_FALSE(view);
      CHECK(view.error().code == Errc::corrupt);
      CHECK(says(view.error().message, named));
    } else if (table == Table::bodies) {
      CHECK(must(view)->damage.empty());
    } else {
      REQUIRE(must(view)->damage.size() == 1);
      CHECK(says(must(view)->damage[0], named));
      CHECK(must(view)->recipients[0].status == Status::queued);
      CHECK(must(view)->recipients[0].attempts == 1);
      CHECK(must(view)->recipients[1].next_attempt == at(1));
    }
    const auto content = store->load(id(1));
    CHECK(content.has_value() == (table == Table::queue || table == Table::events));
    if (!content) CHECK(says(content.error().message, named));
    CHECK(must(must(store->find(id(2)))->damage.empty() ? Result<int>(1) : fail(Errc::corrupt, "2")) == 1);
    CHECK(must(store->load(id(2)))->body->size() > 0);
  }
}

TEST_CASE("lost rows are damage too") {
  for (const Table table : {Table::queue, Table::bodies, Table::rest}) {
    CAPTURE(name(table));
    TempDir directory;
    apply(*open(directory), accept({.recipients = 500, .content = some_bytes(9000, 3)}));
    edit_cursor(directory, table, [](Cursor& cursor) {
      REQUIRE(must(cursor.next()));
      must(cursor.erase());
    });
    const auto store = open(directory);
    CHECK(store->load(id(1)).has_value() == (table == Table::queue));
    const auto view = store->find(id(1));
    CHECK(view.has_value() == (table != Table::rest));
    if (view) CHECK((*view)->damage.size() == (table == Table::queue ? 1 : 0));
  }
}

TEST_CASE("a start delivers a recipient whose row is damaged by its message and its events") {
  TempDir directory;
  apply(*open(directory), accept({.number = 1, .recipients = 2}), accept({.number = 2}),
        accept({.number = 3}));
  apply(*open(directory), attempted({id(1), 1}, Status::queued), attempted({id(1), 1}, Status::queued, 200),
        set_status({id(2), 0}, EventType::held, Status::held));
  for (std::size_t row = 0; row < 3; ++row) edit_row(directory, Table::queue, row, flip_last);
  const auto store = open(directory);
  const Start start = claim(*store);
  CHECK(start.claimed.recipients == 4);
  CHECK(start.claimed.rebuilt == 3);
  CHECK(start.claimed.lost == 0);
  REQUIRE(start.entries.size() == 4);
  CHECK(start.entries[0].attempts == 0);
  CHECK(start.entries[1].ref == RecipientRef{id(1), 1});
  CHECK(start.entries[1].attempts == 2);
  CHECK(start.entries[1].due == at(1));  // long past: at once
  CHECK(start.entries[1].domain == "d1.example.net");
  CHECK(start.entries[1].status == Status::queued);
  CHECK(start.entries[2].status == Status::held);
  REQUIRE(start.damage.size() == 3);
  CHECK(start.damage[1].message == id(1));
  CHECK(start.damage[1].recipient == 1);
  CHECK(says(start.damage[1].what, "table queue"));
  // Its next outcome is recorded as if nothing had been, and the row is whole again.
  const Applied applied =
      apply(*store, attempted({id(1), 1}, Status::queued, 300), attempted({id(1), 0}, Status::delivered));
  CHECK(applied.failed.empty());
  CHECK(applied.stale == 0);
  const auto view = must(store->find(id(1)));
  CHECK(view->damage.empty());
  CHECK(view->recipients[1].attempts == 3);
  CHECK(view->recipients[0].status == Status::delivered);
  CHECK(std::count_if(view->events.begin(), view->events.end(),
                      [](const Event& e) { return e.type == EventType::deferred; }) == 3);
  CHECK(claim(*store).claimed.rebuilt == 1);
}

TEST_CASE("a row that nothing can be made of is lost, counted and named, and nobody else's") {
  TempDir directory;
  apply(*open(directory), accept({.number = 1}), accept({.number = 2}), accept({.number = 3}));
  edit_row(directory, Table::queue, 1, flip_last);
  edit_row(directory, Table::messages, 1, flip_last);
  const auto store = open(directory);
  const Start start = claim(*store);
  CHECK(start.entries.size() == 2);
  CHECK(start.claimed.lost == 1);
  REQUIRE(start.damage.size() == 1);
  CHECK(start.damage[0].message == id(2));
  const Applied applied = apply(*store, attempted({id(1), 0}, Status::delivered),
                                attempted({id(2), 0}, Status::delivered), accept({.number = 4}));
  REQUIRE(applied.failed.size() == 1);
  CHECK(applied.failed[0].index == 1);
  CHECK(applied.failed[0].error.code == Errc::corrupt);
  CHECK(must(store->find(id(1)))->recipients[0].status == Status::delivered);
  CHECK(must(store->find(id(4))).has_value());
}

TEST_CASE("lists show damaged messages and rows by name, and all others") {
  TempDir directory;
  apply(*open(directory), accept({.number = 1}), accept({.number = 2, .recipients = 500}),
        accept({.number = 3}), accept({.number = 4, .account = "other"}));
  edit_row(directory, Table::messages, 2, flip_last);
  edit_row(directory, Table::rest, 0, flip_last);
  edit_row(directory, Table::queue, 0, flip_last);
  const auto store = open(directory);
  for (const auto& account : {std::optional<AccountId>(), std::optional(AccountId{"acme"})}) {
    const auto views = must(store->list({.account = account, .before = {}, .limit = 50}));
    const std::size_t others = account ? 0 : 1;
    REQUIRE(views.size() == 3 + others);
    CHECK(views[others].message.id == id(3));
    CHECK(any_says(views[others].damage, "table messages"));
    CHECK(views[others + 1].message.id == id(2));
    CHECK(any_says(views[others + 1].damage, "table rest"));
    CHECK(views[others + 2].message.id == id(1));
    CHECK(any_says(views[others + 2].damage, "table queue"));
    CHECK(views[others + 2].recipients.size() == 1);
  }
  const auto rows = must(store->list_queue({.domain = {}, .status = {}, .after = {}, .limit = 1000}));
  REQUIRE(rows.size() == 503);
  CHECK(says(rows[0].damage, "table queue"));
  CHECK(rows[0].entry.domain == "d0.example.net");
  CHECK(rows[0].address == "r0@d0.example.net");
  CHECK(says(rows[1].damage, "table rest"));
  CHECK(rows[1].address.empty());
  CHECK(says(rows[501].damage, "table messages"));
  CHECK(rows[502].damage.empty());
  CHECK(rows[502].address == "r0@d0.example.net");
}

TEST_CASE("a damaged API key is refused alone") {
  TempDir directory;
  ApiKey key;
  for (const char* name : {"a", "b", "c"}) {
    key.id.value = name;
    apply(*open(directory), PutKey{key});
  }
  edit_row(directory, Table::keys, 1, flip_last);
  const auto keys = must(open(directory)->keys());
  REQUIRE(keys.size() == 2);
  CHECK(keys[1].id.value == "c");
}

TEST_CASE(
    "a damaged row of an idempotency key leads to nothing, and the next message with the key mends it") {
  TempDir directory;
  apply(*open(directory), accept_message(with_key(1, "k")));
  edit_row(directory, Table::idempotency, 0, flip_last);
  const auto store = open(directory);
  CHECK_FALSE(must(store->find_by_key({{"acme"}, "k"})).has_value());
  CHECK(apply(*store, accept_message(with_key(2, "k"))).failed.empty());
  CHECK(must(store->find_by_key({{"acme"}, "k"})) == id(2));
}

TEST_CASE("a damaged count of a key's day begins anew, and no mail is refused for it") {
  TempDir directory;
  const auto counted = [](std::uint32_t second) {
    Accept operation = accept({.number = second});
    operation.counted = true;
    return operation;
  };
  apply(*open(directory), counted(1), counted(2));
  SUBCASE("the record") { edit_row(directory, Table::usage, 0, flip_last); }
  SUBCASE("its page") {
    const RawFile file(directory);
    file.write(file.leaves(Table::usage).front(), some_bytes(page_bytes, 7));
  }
  const auto store = open(directory);
  CHECK(must(store->key_days()).size() <= 1);
  const Applied applied = apply(*store, counted(3), accept({.number = 4}), counted(5));
  CHECK(applied.failed.empty());
  CHECK(must(store->counts()).messages == 5);
  const auto days = must(store->key_days());
  if (!days.empty()) CHECK(days[0].messages == 2);  // the page is not written to
  CHECK(apply(*store, counted(6)).failed.empty());
  CHECK(must(store->counts()).messages == 6);
}

TEST_CASE("an operation that meets damage fails alone, wherever in its batch and however often") {
  TempDir directory;
  constexpr std::uint32_t many = 200;
  {
    const auto store = open(directory);
    for (std::uint32_t n = 1; n <= many; ++n) apply(*store, accept({.number = n}));
  }
  // A row of the queue and the message's record with it: nothing to be rebuilt from.
  for (const std::size_t n : {3u, 100u, 101u}) {
    edit_row(directory, Table::queue, n, flip_last);
    edit_row(directory, Table::messages, n, flip_last);
  }
  const auto store = open(directory);
  std::vector<Operation> batch;
  for (std::uint32_t n = 1; n <= many; ++n) batch.push_back(attempted({id(n), 0}, Status::delivered));
  batch.push_back(Purge{at(0)});
  const Applied applied = must(store->apply(batch));
  REQUIRE(applied.failed.size() == 3);
  CHECK(applied.failed[0].index == 3);
  CHECK(applied.failed[1].index == 100);
  CHECK(applied.failed[2].index == 101);
  CHECK(says(applied.failed[1].error.message, id(101).text()));
  CHECK(must(store->counts()).queued == 3);
}

TEST_CASE("a page of the queue that is lost: all are delivered, those on it are named") {
  TempDir directory;
  constexpr std::uint32_t many = 400;
  {
    const auto store = open(directory);
    for (std::uint32_t n = 1; n <= many; ++n) apply(*store, accept({.number = n}));
    apply(*store, attempted({id(1), 0}, Status::queued));
  }
  RawFile file(directory);
  const auto leaves = file.leaves(Table::queue);
  REQUIRE(leaves.size() > 5);
  const auto lost = file.rows(leaves[2]);
  REQUIRE(lost.size() > 5);
  SUBCASE("noise") { file.write(leaves[2], some_bytes(page_bytes, 7)); }
  SUBCASE("zeros") { file.write(leaves[2], std::string(page_bytes, '\0')); }
  SUBCASE("another page in its place") { file.write(leaves[2], file.read(leaves[4])); }
  const auto store = open(directory);
  const Start start = claim(*store);
  CHECK(start.entries.size() == many);
  CHECK(start.claimed.recipients == many);
  CHECK(start.claimed.rebuilt == lost.size());
  CHECK(start.claimed.lost == 0);
  REQUIRE(start.damage.size() == lost.size() + 1);
  CHECK(says(start.damage[0].what, "page"));
  CHECK(start.damage[1].message == message_of(lost[0]));
  CHECK(start.damage.back().message == message_of(lost.back()));
  // All outcomes are stored, those of the page by their events alone.
  std::vector<Operation> batch;
  for (std::uint32_t n = 1; n <= many; ++n) batch.push_back(attempted({id(n), 0}, Status::delivered));
  const Applied applied = must(store->apply(batch));
  CHECK(applied.failed.empty());
  CHECK(applied.stale == 0);
  CHECK(claim(*store).entries.empty());
  CHECK(claim(*store).claimed.lost == 0);
  // New mail goes to the right end.
  apply(*store, accept({.number = many + 1}));
  const auto rows = must(store->list_queue({.domain = {}, .status = {}, .after = {}, .limit = 1000}));
  CHECK(std::count_if(rows.begin(), rows.end(), [](const QueueRow& row) { return !row.damage.empty(); }) ==
        1);
}

TEST_CASE("a subtree that vanished without a trace is noticed by the count") {
  TempDir directory;
  {
    const auto store = open(directory);
    for (std::uint32_t n = 1; n <= 400; ++n) apply(*store, accept({.number = n}));
  }
  RawFile file(directory);
  // The first leaf, with fewer entries in its head than it has.
  const PageNumber leaf = file.leaves(Table::queue)[0];
  const std::size_t before = file.rows(leaf).size();
  std::string bytes = file.read(leaf);
  bytes[12] = static_cast<char>(bytes[12] - 6);  // three offsets less
  file.write(leaf, bytes);
  REQUIRE(file.rows(leaf).size() == before - 3);
  const auto store = open(directory);
  const Start start = claim(*store);
  CHECK(start.claimed.recipients == 397);
  CHECK(start.claimed.lost == 3);
  REQUIRE(start.damage.size() == 1);
  CHECK(says(start.damage[0].what, "3 rows"));
}

TEST_CASE("content from a damaged page is never returned") {
  TempDir directory;
  constexpr std::uint32_t many = 60;
  {
    const auto store = open(directory);
    for (std::uint32_t n = 1; n <= many; ++n)
      apply(*store, accept({.number = n, .content = some_bytes(6000, n)}));
  }
  RawFile file(directory);
  const auto chunks = file.value_pages(Table::bodies);
  REQUIRE(chunks.size() >= many);
  for (std::size_t i = 0; i < chunks.size(); i += 3) {
    std::string bytes = file.read(chunks[i]);
    bytes[i % page_bytes] = static_cast<char>(bytes[i % page_bytes] ^ 1);
    file.write(chunks[i], bytes);
  }
  const auto store = open(directory);
  std::size_t damaged = 0;
  for (std::uint32_t n = 1; n <= many; ++n) {
    const auto loaded = store->load(id(n));
    if (loaded) CHECK((*loaded)->body->flatten() == some_bytes(6000, n));
    if (loaded) continue;
    CHECK(loaded.error().code == Errc::corrupt);
    ++damaged;
  }
  CHECK(damaged > many / 4);
  // Their outcomes are stored all the same, and purge takes what it can.
  for (std::uint32_t n = 1; n <= many; ++n) apply(*store, attempted({id(n), 0}, Status::failed));
  CHECK(must(store->counts()).queued == 0);
  CHECK(apply(*store, Purge{at(many + 1)}).purged == many);
}

TEST_CASE("a value's page number that leads out of the file: outcomes are stored, and purge passes it") {
  for (const Table table : {Table::bodies, Table::messages}) {
    CAPTURE(name(table));
    TempDir directory;
    {
      const auto store = open(directory);
      for (std::uint32_t n = 1; n <= 3; ++n)
        apply(*store,
              accept({.number = n, .recipients = n == 2 ? 200u : 1u, .content = some_bytes(6000, n)}));
    }
    {
      RawFile file(directory);
      const PageNumber value = file.value_pages(table).front(), nowhere = PageNumber{1} << 40;
      for (const PageNumber leaf : file.leaves(table)) {
        std::string bytes = file.read(leaf);
        const std::size_t at =
            bytes.find(std::string_view(reinterpret_cast<const char*>(&value), sizeof value));
        if (at == std::string::npos) continue;
        std::memcpy(bytes.data() + at, &nowhere, sizeof nowhere);
        file.write(leaf, bytes);
      }
    }
    const auto store = open(directory);
    for (std::uint32_t n = 1; n <= 3; ++n)
      for (std::uint32_t i = 0; i < (n == 2 ? 200u : 1u); ++i)
        CHECK(apply(*store, attempted({id(n), i}, Status::failed)).failed.empty());
    CHECK(must(store->counts()).queued == 0);
    apply(*store, accept({.number = 4}), attempted({id(4), 0}, Status::delivered));
    const auto purged = apply(*store, Purge{at(5)}).purged;
    CHECK(purged == (table == Table::bodies ? 4 : 0));  // all records stand on the damaged page
  }
}
