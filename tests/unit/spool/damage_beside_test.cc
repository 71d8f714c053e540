// What lies beside damage, or depends on a place that cannot be written: outcomes are kept all the same, so
// that nobody is delivered to again, and new mail is taken where it can be.
#include <algorithm>
#include <cstring>
#include <set>

#include "spool/lmdb_batch.h"
#include "tests/unit/spool/damage.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;

namespace {

constexpr std::uint32_t many = 700;
const QueueQuery everything{.domain = {}, .status = {}, .after = {}, .limit = 1000};

// Messages 1 to `many`, each with one recipient and one deferral.
void fill(const TempDir& directory) {
  const auto store = open(directory);
  for (std::uint32_t n = 1; n <= many; ++n)
    apply(*store, accept({.number = n, .content = some_bytes(6000, n)}));
  for (std::uint32_t n = 1; n <= many; ++n) apply(*store, attempted({id(n), 0}, Status::queued));
}

// Damages a leaf of the table and answers the keys that were on it; `from_right` 0 is the last.
std::vector<std::string> lose_leaf(const TempDir& directory, Table table, std::size_t from_right) {
  const RawFile file(directory);
  const auto leaves = file.leaves(table);
  REQUIRE(leaves.size() > 5);
  const PageNumber leaf = leaves[leaves.size() - 1 - from_right];
  auto lost = file.rows(leaf);
  file.write(leaf, some_bytes(page_bytes, 7));
  return lost;
}

bool on(const std::vector<std::string>& keys, std::uint32_t number) {
  return std::any_of(keys.begin(), keys.end(),
                     [&](const std::string& key) { return message_of(key) == id(number); });
}

// Of all messages: the even ones, and the odd ones.
std::vector<Operation> outcomes(Status even, Status odd) {
  std::vector<Operation> batch;
  for (std::uint32_t n = 1; n <= many; ++n)
    batch.push_back(attempted({id(n), 0}, n % 2 == 0 ? even : odd, 300));
  return batch;
}

}  // namespace

TEST_CASE("who is finished beside a damaged page of the queue stays finished") {
  TempDir directory;
  fill(directory);
  const auto lost = lose_leaf(directory, Table::queue, 3);
  auto store = open(directory);
  CHECK(must(store->apply(outcomes(Status::delivered, Status::failed))).failed.empty());
  store.reset();
  store = open(directory);
  const Start start = claim(*store);
  CHECK(start.entries.empty());
  CHECK(start.claimed.lost == 0);
  CHECK(must(store->list_queue(everything)).size() == 1);  // the page
  const std::uint64_t kept = must(store->counts()).queued;
  CHECK(kept > lost.size());  // rows that could not be erased
  for (std::uint32_t n = 1; n <= many; ++n) {
    const auto view = must(store->find(id(n)));
    CHECK(view->recipients[0].status == (n % 2 == 0 ? Status::delivered : Status::failed));
    CHECK(view->recipients[0].attempts == 2);
    CHECK(view->events.size() == 3);
    if (!on(lost, n)) CHECK_FALSE(store->load(id(n)));
    // The first final outcome stands.
    CHECK(apply(*store, attempted({id(n), 0}, Status::queued)).stale == 1);
    CHECK(apply(*store, set_status({id(n), 0}, EventType::released, Status::queued)).stale == 1);
  }
  CHECK(must(store->counts()).queued == kept);
  CHECK(apply(*store, Purge{at(many + 1), 1000}).purged >= many - 2 * kept);
  CHECK(claim(*store).entries.empty());
}

TEST_CASE("a closed row does not close its message for the others of it") {
  TempDir directory;
  {
    const auto store = open(directory);
    for (std::uint32_t n = 1; n <= many; ++n) apply(*store, accept({.number = n, .recipients = 2}));
  }
  const auto lost = lose_leaf(directory, Table::queue, 3);
  // Of the message whose rows follow those of the lost page.
  std::uint32_t beside = 1;
  while (!on(lost, beside)) ++beside;
  while (on(lost, beside)) ++beside;
  const auto store = open(directory);
  for (const std::uint32_t last : {0u, 1u}) {
    const std::uint64_t before = must(store->counts()).queued;
    CHECK(apply(*store, attempted({id(beside), last}, Status::delivered)).failed.empty());
    CHECK(must(store->counts()).queued == before);
    CHECK(store->load(id(beside)).has_value() == (last == 0));
  }
  for (const QueueEntry& entry : claim(*store).entries) CHECK(entry.ref.message != id(beside));
}

TEST_CASE("a message some of whose recipients are hidden by damage keeps its content, and is not forgotten") {
  TempDir directory;
  {
    const auto store = open(directory);
    for (std::uint32_t n = 1; n <= 50; ++n) apply(*store, accept({.number = n}));
    apply(*store, accept({.number = 51, .recipients = 400, .content = some_bytes(20'000, 5)}));
    for (std::uint32_t n = 52; n <= 300; ++n) apply(*store, accept({.number = n}));
  }
  const auto leaves_of = [&](const RawFile& file) {
    std::vector<PageNumber> found;
    for (const PageNumber leaf : file.leaves(Table::queue))
      if (on(file.rows(leaf), 51)) found.push_back(leaf);
    return found;
  };
  // Its recipients on the leaf it shares with older mail are finished, and the leaf behind is lost.
  std::vector<std::string> behind;
  {
    std::vector<Operation> batch;
    {
      const RawFile file(directory);
      for (const std::string& key : file.rows(leaves_of(file)[0]))
        if (message_of(key) == id(51)) batch.push_back(attempted(recipient_of(key), Status::delivered));
    }
    must(open(directory)->apply(batch));
    const RawFile file(directory);
    const auto leaves = leaves_of(file);
    REQUIRE(leaves.size() > 3);
    REQUIRE(message_of(file.rows(leaves[0]).front()) == id(51));
    behind = file.rows(leaves[1]);
    file.write(leaves[0], some_bytes(page_bytes, 7));
  }
  const auto store = open(directory);
  REQUIRE(store->load(id(51)).has_value());
  SUBCASE("an outcome") {
    CHECK(apply(*store, attempted(recipient_of(behind[0]), Status::delivered)).failed.empty());
  }
  SUBCASE("a purge") { CHECK(apply(*store, Purge{at(52), 1000}).purged == 0); }
  REQUIRE(must(store->find(id(51))).has_value());
  CHECK(must(store->load(id(51)))->body->flatten() == some_bytes(20'000, 5));
}

TEST_CASE("a page number that leads out of the file beside a row: its outcome is kept, alone or in a batch") {
  for (const Table table : {Table::queue, Table::events}) {
    CAPTURE(name(table));
    TempDir directory;
    fill(directory);
    RecipientRef last;  // on the leaf before
    {
      const RawFile file(directory);
      const TreeRoot root = file.root(table);
      REQUIRE(root.depth == 2);
      constexpr std::size_t leaf = 4;
      last = recipient_of(file.rows(file.leaves(table)[leaf]).back());
      std::string bytes = file.read(root.root);
      std::uint16_t node = 0;
      std::memcpy(&node, bytes.data() + page_header_bytes + 2 * (leaf + 1), sizeof node);
      bytes[node + 4] = '\xff', bytes[node + 5] = '\x7f';
      file.write(root.root, bytes);
    }
    const bool damaged_row = table == Table::events;
    if (damaged_row)
      edit_cursor(directory, Table::queue, [&](Cursor& cursor) {
        REQUIRE(must(cursor.seek(RowKey::recipient(last).view())));
        std::string value(must(cursor.value()));
        flip_last(value);
        must(cursor.put(RowKey::recipient(last).view(), value));
      });
    auto store = open(directory);
    const Applied applied = apply(*store, attempted({id(many), 0}, Status::delivered, 300),
                                  attempted(last, Status::delivered, 300), accept({.number = many + 1}));
    // Where its row is damaged too nothing can be made of it.
    CHECK(applied.failed.size() == (damaged_row ? 1 : 0));
    store.reset();
    store = open(directory);
    for (const QueueEntry& entry : claim(*store).entries) {
      CHECK(entry.ref.message != id(many));
      if (!damaged_row) CHECK(entry.ref != last);
    }
    CHECK(must(store->find(id(many + 1))).has_value());
  }
}

TEST_CASE("who is read from a page that is damaged is delivered once") {
  TempDir directory;
  fill(directory);
  {
    const RawFile file(directory);
    const PageNumber leaf = file.leaves(Table::queue)[4];
    std::string bytes = file.read(leaf);
    const auto at = bytes.find(file.rows(leaf)[10]);
    REQUIRE(at != std::string::npos);
    bytes[at] = '\xff';  // of one key: out of order
    file.write(leaf, bytes);
  }
  const Start start = claim(*open(directory));
  CHECK(start.entries.size() == many);
  std::set<RecipientRef> once;
  for (const QueueEntry& entry : start.entries) once.insert(entry.ref);
  CHECK(once.size() == many);
  CHECK(start.claimed.rebuilt == 1);
  CHECK(start.claimed.lost <= 1);  // the row that nobody has
}

TEST_CASE("the search for those whose rows are lost is long, and stops when told") {
  TempDir directory;
  constexpr std::uint32_t messages = 12, recipients = 1000;
  {
    const auto store = open(directory);
    for (std::uint32_t n = 1; n <= messages; ++n)
      apply(*store, accept({.number = n, .recipients = recipients}));
    apply(*store, attempted({id(3), 5}, Status::delivered));
  }
  const RawFile file(directory);
  file.write(file.root(Table::queue).root, some_bytes(page_bytes, 7));
  const auto store = open(directory);
  Start start = claim(*store);
  CHECK(start.entries.size() == messages * recipients - 1);
  CHECK(start.claimed.rebuilt == messages * recipients - 1);
  CHECK(start.claimed.lost == 0);
  CHECK(start.damage.size() == messages * recipients);  // the page, and each of them
  int asked = 0;
  const auto stopped = must(store->claim([](const QueueEntry&) { return true; }, [](const Damage&) {},
                                         [&] { return ++asked < 2; }));
  CHECK(asked == 2);
  CHECK(stopped.lost == 0);
}

TEST_CASE("outcomes on a page that can be read and not written are kept, too") {
  TempDir directory;
  fill(directory);
  const auto change_key = [&](PageNumber page, std::string_view key, std::size_t byte) {
    const RawFile file(directory);
    std::string bytes = file.read(page);
    const auto at = bytes.find(key);
    REQUIRE(at != std::string::npos);
    bytes[at + byte] = static_cast<char>(bytes[at + byte] ^ 0x80);
    file.write(page, bytes);
  };
  {
    const RawFile file(directory);
    const PageNumber leaf = file.leaves(Table::queue)[4];
    SUBCASE("one key of a leaf") { change_key(leaf, file.rows(leaf)[10], 0); }
    SUBCASE("one key of the root") { change_key(file.root(Table::queue).root, file.rows(leaf).front(), 0); }
  }
  auto store = open(directory);
  CHECK(claim(*store).entries.size() >= many - 1);
  std::vector<Operation> batch;
  for (std::uint32_t n = 1; n <= many; ++n)
    batch.push_back(n % 3 == 0 ? Operation(set_status({id(n), 0}, EventType::held, Status::held, 300))
                               : Operation(attempted({id(n), 0}, Status::delivered, 300)));
  CHECK(must(store->apply(batch)).failed.empty());
  for (int start = 0; start < 3; ++start) {
    store.reset();
    store = open(directory);
    std::set<RecipientRef> open_ones;
    for (const QueueEntry& entry : claim(*store).entries) {
      CHECK(entry.status == Status::held);
      open_ones.insert(entry.ref);
    }
    CHECK(open_ones.size() == many / 3);
    for (const QueueRow& row : must(store->list_queue(everything)))
      if (row.damage.empty()) CHECK(row.entry.status == Status::held);
  }
  batch.clear();
  for (std::uint32_t n = 1; n <= many; ++n)
    batch.push_back(set_status({id(n), 0}, EventType::released, Status::queued, 400));
  CHECK(must(store->apply(batch)).stale == many - many / 3);
  for (std::uint32_t n = 1; n <= many; ++n) {
    const auto view = must(store->find(id(n)));
    CHECK(view->recipients[0].status == (n % 3 == 0 ? Status::queued : Status::delivered));
    CHECK(view->events.size() == (n % 3 == 0 ? 4 : 3));
  }
}

TEST_CASE("start and writer agree on whether all events can be read") {
  TempDir directory;
  fill(directory);
  apply(*open(directory), attempted({id(300), 0}, Status::queued, 200));
  edit_cursor(directory, Table::events, [&](Cursor& cursor) {
    const RowKey key = RowKey::event({id(300), 0}, 0);
    REQUIRE(must(cursor.seek(key.view())));
    std::string value(must(cursor.value()));
    flip_last(value);
    must(cursor.put(key.view(), value));
  });
  {
    const RawFile file(directory);
    for (const PageNumber leaf : file.leaves(Table::queue))
      if (on(file.rows(leaf), 300)) file.write(leaf, some_bytes(page_bytes, 9));
  }
  const auto store = open(directory);
  const Start start = claim(*store);
  CHECK(start.claimed.lost == 1);
  for (const QueueEntry& entry : start.entries) CHECK(entry.ref.message != id(300));
  CHECK(apply(*store, attempted({id(300), 0}, Status::delivered)).failed.size() == 1);
}

TEST_CASE("lost rows of messages that are lost too are counted, however much was finished before") {
  TempDir directory;
  fill(directory);
  {
    const auto store = open(directory);
    for (std::uint32_t n = 1; n <= 300; ++n) apply(*store, attempted({id(n), 0}, Status::delivered, 200));
  }
  std::size_t lost = 0;
  {
    const RawFile file(directory);
    const PageNumber leaf = file.leaves(Table::queue).front();
    const auto rows = file.rows(leaf);
    file.write(leaf, some_bytes(page_bytes, 9));
    for (const PageNumber page : file.leaves(Table::messages)) {
      const auto keys = file.rows(page);
      const bool concerned = std::any_of(rows.begin(), rows.end(), [&](const std::string& row) {
        return std::any_of(keys.begin(), keys.end(),
                           [&](const std::string& key) { return message_of(key) == message_of(row); });
      });
      if (concerned) file.write(page, some_bytes(page_bytes, 10));
    }
    lost = rows.size();
  }
  const Start start = claim(*open(directory));
  CHECK(start.claimed.lost == lost);
  CHECK(start.entries.size() == many - 300 - lost);
}

TEST_CASE("an outcome for whom events call finished is stale, though a damaged row is there") {
  TempDir directory;
  apply(*open(directory), accept({.number = 1, .recipients = 2}), attempted({id(1), 0}, Status::delivered));
  edit_cursor(directory, Table::queue,
              [](Cursor& cursor) { must(cursor.put(RowKey::recipient({id(1), 0}).view(), "damaged")); });
  const auto store = open(directory);
  CHECK(apply(*store, set_status({id(1), 0}, EventType::released, Status::queued)).stale == 1);
  CHECK(claim(*store).entries.size() == 1);
}

TEST_CASE("a probe cares for the places of new mail alone") {
  TempDir directory;
  {
    const auto store = open(directory);
    for (std::uint32_t n = 1; n <= 400; ++n) apply(*store, accept({.number = n, .recipients = 300}));
  }
  std::optional<Table> lost;
  SUBCASE("none") {}
  SUBCASE("rest") { lost = Table::rest; }
  SUBCASE("accounts") { lost = Table::accounts; }
  SUBCASE("queue") { lost = Table::queue; }
  SUBCASE("messages") { lost = Table::messages; }
  if (lost) {
    const RawFile file(directory);
    file.write(file.leaves(*lost).back(), some_bytes(page_bytes, 7));
  }
  const bool concerned = lost == Table::queue || lost == Table::messages;
  const auto store = open(directory);
  const auto probed = store->probe(1000);
  CHECK(probed.has_value() == !concerned);
  CHECK(apply(*store, accept({.number = 500})).failed.empty() == !concerned);
}

TEST_CASE("whose row and events are lost may be finished: named, and not delivered") {
  TempDir directory;
  fill(directory);
  const auto rows = lose_leaf(directory, Table::queue, 6);
  std::vector<std::string> events;
  {
    const RawFile file(directory);
    for (const PageNumber leaf : file.leaves(Table::events))
      if (message_of(file.rows(leaf).front()) <= message_of(rows[3]) &&
          message_of(rows[3]) <= message_of(file.rows(leaf).back())) {
        events = file.rows(leaf);
        file.write(leaf, some_bytes(page_bytes, 8));
        break;
      }
    REQUIRE(!events.empty());
  }
  auto store = open(directory);
  const Start start = claim(*store);
  std::size_t both = 0;
  for (std::uint32_t n = 1; n <= many; ++n) both += on(rows, n) && on(events, n) ? 1 : 0;
  CHECK(both > 0);
  CHECK(start.claimed.lost >= both);
  CHECK(start.claimed.lost <= both + 2);  // and those whose events may have begun on that page
  CHECK(start.entries.size() == many - start.claimed.lost);
  CHECK(must(store->apply(std::vector<Operation>{attempted(recipient_of(rows[3]), Status::delivered)}))
            .failed.size() == 1);
}

TEST_CASE("hold, release and deferrals of whose row is lost are kept by their events") {
  TempDir directory;
  fill(directory);
  const auto lost = lose_leaf(directory, Table::queue, 3);
  const RecipientRef one = recipient_of(lost[1]), other = recipient_of(lost[2]);
  auto store = open(directory);
  CHECK(apply(*store, set_status(one, EventType::held, Status::held), attempted(other, Status::queued, 300))
            .failed.empty());
  const auto status_of = [](const Start& start, const RecipientRef& ref) {
    for (const QueueEntry& entry : start.entries)
      if (entry.ref == ref) return std::pair{entry.status, entry.attempts};
    return std::pair{Status::cancelled, 0u};
  };
  store.reset();
  store = open(directory);
  Start start = claim(*store);
  CHECK(status_of(start, one) == std::pair{Status::held, 1u});
  CHECK(status_of(start, other) == std::pair{Status::queued, 2u});
  CHECK(must(store->find(one.message))->recipients[0].status == Status::held);
  CHECK(apply(*store, set_status(one, EventType::cancelled, Status::cancelled)).failed.empty());
  CHECK(apply(*store, set_status(one, EventType::released, Status::queued)).stale == 1);
  start = claim(*store);
  CHECK(start.entries.size() == many - 1);
}

TEST_CASE("an outcome whose event cannot be written is an outcome") {
  TempDir directory;
  fill(directory);
  const auto lost = lose_leaf(directory, Table::events, 3);
  auto store = open(directory);
  CHECK(must(store->apply(outcomes(Status::delivered, Status::queued))).failed.empty());
  store.reset();
  store = open(directory);
  const Start start = claim(*store);
  CHECK(start.entries.size() == many / 2);
  for (const QueueEntry& entry : start.entries) {
    CHECK(entry.attempts == 2);
    CHECK(entry.due == at(360));
  }
  std::uint32_t untold = 0;
  for (std::uint32_t n = 1; n <= many; ++n) {
    const auto view = must(store->find(id(n)));
    CHECK(view->recipients[0].status == (n % 2 == 0 ? Status::delivered : Status::queued));
    CHECK(view->recipients[0].attempts == 2);
    if (on(lost, n)) CHECK(!view->damage.empty());
    untold += view->events.size() < 3 ? 1 : 0;
  }
  CHECK(untold >= lost.size());
}

TEST_CASE("new mail that damage keeps from its place changes nothing, and the rest of its batch is stored") {
  for (const Table table : {Table::messages, Table::bodies, Table::queue, Table::events}) {
    CAPTURE(name(table));
    TempDir directory;
    fill(directory);
    lose_leaf(directory, table, 0);
    const auto environment = must(Environment::open(settings(directory)));
    auto txn = must(Txn::begin_write(*environment));
    {
      Progress progress;
      Scratch scratch;
      auto batch = must(Batch::begin(txn, progress, scratch));
      const std::uint64_t before = environment->changes();
      for (std::uint32_t n = 1; n <= 3; ++n) {
        const auto added = batch.add(accept({.number = many + n}));
        REQUIRE_FALSE(added);
        CHECK(added.error().code == Errc::corrupt);
      }
      CHECK(environment->changes() == before);
      must(batch.add(attempted({id(2), 0}, Status::queued)));
    }
    must(txn.commit());
  }
}

TEST_CASE("mail is taken though the index of accounts is damaged, and purged") {
  TempDir directory;
  fill(directory);
  lose_leaf(directory, Table::accounts, 0);
  const auto store = open(directory);
  CHECK(apply(*store, accept({.number = many + 1}), attempted({id(many + 1), 0}, Status::delivered),
              accept({.number = many + 2}))
            .failed.empty());
  CHECK(claim(*store).entries.size() == many + 1);
  CHECK(must(store->find(id(many + 2))).has_value());
  CHECK(apply(*store, Purge{at(many + 3), 100}).purged == 1);
  CHECK(!must(store->find(id(many + 1))).has_value());
}
