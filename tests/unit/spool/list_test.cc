#include <set>

#include "tests/unit/spool/support.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;

namespace {

std::vector<MessageId> ids(const std::vector<MessageView>& views) {
  std::vector<MessageId> ids;
  for (const auto& view : views) ids.push_back(view.message.id);
  return ids;
}

}  // namespace

TEST_CASE("lists are newest first, by account, with a cursor") {
  TempDir directory;
  const auto store = open(directory);
  CHECK(must(store->list({})).empty());
  for (std::uint32_t n = 1; n <= 6; ++n)
    apply(*store, accept({.number = n, .account = n % 2 ? "odd" : "even"}));
  apply(*store, attempted({id(4), 0}, Status::delivered));
  using Ids = std::vector<MessageId>;
  struct Row {
    const char* account;   // "" is any
    std::uint32_t before;  // 0 is none
    std::uint32_t limit;
    Ids expected;
  };
  const std::vector<Row> rows = {
      {"", 0, 50, {id(6), id(5), id(4), id(3), id(2), id(1)}},
      {"", 0, 2, {id(6), id(5)}},
      {"", 5, 2, {id(4), id(3)}},
      {"", 1, 2, {}},
      {"", 99, 1, {id(6)}},
      {"", 0, 0, {}},
      {"odd", 0, 50, {id(5), id(3), id(1)}},
      {"even", 0, 50, {id(6), id(4), id(2)}},
      {"odd", 5, 1, {id(3)}},
      {"odd", 4, 50, {id(3), id(1)}},
      {"even", 2, 50, {}},
      {"none", 0, 50, {}},
  };
  for (const auto& row : rows) {
    MessageQuery query;
    if (*row.account != '\0') query.account = AccountId{row.account};
    if (row.before > 0) query.before = id(row.before);
    query.limit = row.limit;
    CHECK(ids(must(store->list(query))) == row.expected);
  }
  const AccountId even{"even"};
  const auto four = must(store->list({.account = even, .before = id(5), .limit = 1}));
  REQUIRE(four.size() == 1);
  CHECK(four[0].recipients[0].status == Status::delivered);
  CHECK(four[0].recipients[0].last->type == EventType::delivered);
  CHECK(four[0].events.empty());
}

TEST_CASE("the queue is listed by domain, status and cursor") {
  TempDir directory;
  const auto store = open(directory);
  apply(*store, accept({.number = 1, .recipients = 4}), accept({.number = 2, .recipients = 3}),
        set_status({id(1), 3}, EventType::held, Status::held), attempted({id(1), 1}, Status::failed));
  using Refs = std::vector<RecipientRef>;
  struct Row {
    const char* domain;  // "" is any
    int status;          // 0 is any
    RecipientRef after;  // of message 0 is none
    std::uint32_t limit;
    Refs expected;
  };
  const RecipientRef none{};
  constexpr int held = int(Status::held);
  const std::vector<Row> rows = {
      {"", 0, none, 50, {{id(1), 0}, {id(1), 2}, {id(1), 3}, {id(2), 0}, {id(2), 1}, {id(2), 2}}},
      {"d0.example.net", 0, none, 50, {{id(1), 0}, {id(1), 3}, {id(2), 0}}},
      {"d0.example.net", held, none, 50, {{id(1), 3}}},
      {"", held, none, 50, {{id(1), 3}}},
      {"", int(Status::delivered), none, 50, {}},
      {"", 0, none, 2, {{id(1), 0}, {id(1), 2}}},
      {"", 0, {id(1), 2}, 2, {{id(1), 3}, {id(2), 0}}},
      {"", 0, {id(2), 2}, 2, {}},
      {"", 0, none, 0, {}},
  };
  for (const auto& row : rows) {
    QueueQuery query;
    if (*row.domain != '\0') query.domain = row.domain;
    if (row.status != 0) query.status = static_cast<Status>(row.status);
    if (row.after != none) query.after = row.after;
    query.limit = row.limit;
    Refs refs;
    for (const auto& found : must(store->list_queue(query))) refs.push_back(found.entry.ref);
    CHECK(refs == row.expected);
  }
  const auto first = must(store->list_queue({})).at(1);
  CHECK(first.address == "r2@d2.example.net");
  CHECK(first.reverse_path == "sender@example.org");
  CHECK(first.account.value == "acme");
  CHECK(first.size == message({})->size);
  CHECK(first.entry.domain == "d2.example.net");
  const RecipientRef last{id(1), UINT32_MAX};
  CHECK(store->list_queue({.domain = {}, .status = {}, .after = last, .limit = 1}).error().code ==
        Errc::invalid);
}

TEST_CASE("a queue of many slices is scanned once each, in order, and the scan stops when told") {
  TempDir directory;
  const auto store = open(directory);
  constexpr std::uint32_t messages = 10, recipients = 1000;
  for (std::uint32_t n = 1; n <= messages; ++n)
    apply(*store, accept({.number = n, .recipients = recipients}));
  std::set<RecipientRef> seen;
  RecipientRef before{};
  const auto no_damage = [](const Damage& damage) { FAIL(damage.what); };
  must(store->claim(
      [&](QueueEntry entry) {
        CHECK((before < entry.ref || seen.empty()));
        before = entry.ref;
        seen.insert(entry.ref);
        if (entry.ref.index == 0) CHECK(must(store->find(entry.ref.message)).has_value());  // reads may nest
        return true;
      },
      no_damage, [] { return true; }));
  CHECK(seen.size() == messages * recipients);
  CHECK(must(store->counts()).queued == messages * recipients);
  std::size_t called = 0;
  must(store->claim([&](QueueEntry) { return ++called < 5000; }, no_damage, [] { return true; }));
  CHECK(called == 5000);
  called = 0;
  must(store->claim([&](QueueEntry) { return ++called > 0; }, no_damage, [&] { return called < 5000; }));
  CHECK(called >= 5000);
  CHECK(called < messages * recipients);
  CHECK(must(store->list_queue({.domain = "d1.example.net", .status = {}, .after = {}, .limit = 5000}))
            .size() == 3330);
}
