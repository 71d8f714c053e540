// Restore: messages that come from another spool, with their history.
#include "tests/unit/spool/support.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;

namespace {

EventRecord past(EventType type, Status status, std::uint32_t attempts, std::int64_t seconds) {
  return {event(type, seconds), status, attempts};
}

// Delivered, held after a deferral, and never tried.
Restore three(std::uint32_t number) {
  using enum Status;
  Restore restore;
  restore.message = message({.number = number, .recipients = 3, .content = some_bytes(9000, number)});
  restore.recipients.resize(3);
  restore.recipients[0] = {
      delivered,
      2,
      {},
      {past(EventType::deferred, queued, 1, 10), past(EventType::delivered, delivered, 2, 20)}};
  restore.recipients[1] = {
      held, 1, at(500), {past(EventType::deferred, queued, 1, 11), past(EventType::held, held, 1, 12)}};
  restore.recipients[2] = {queued, 0, at(700), {}};
  return restore;
}

}  // namespace

TEST_CASE("a restored message is as it was: statuses, attempts, due times, events, content") {
  TempDir directory;
  const auto store = open(directory);
  CHECK(apply(*store, three(5)).stale == 0);
  const auto view = must(store->find(id(5))).value();
  CHECK(view.recipients[0].status == Status::delivered);
  CHECK(view.recipients[0].attempts == 2);
  CHECK(view.recipients[1].status == Status::held);
  CHECK(view.recipients[1].attempts == 1);
  CHECK(view.recipients[2].status == Status::queued);
  CHECK(view.recipients[2].next_attempt == at(700));
  REQUIRE(view.events.size() == 3 + 4);
  CHECK(view.events[3].type == EventType::deferred);
  CHECK(must(store->load(id(5)))->body->flatten() == some_bytes(9000, 5));
  CHECK(must(store->counts()).queued == 2);
  const auto [entries, damage, claimed] = claim(*store);
  CHECK(damage.empty());
  CHECK(claimed.recipients == entries.size());
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].due == at(500));
  CHECK(entries[0].since == at(5));
  CHECK(entries[1].domain == "d2.example.net");
  CHECK(must(store->list({AccountId{"acme"}, std::nullopt, 50})).size() == 1);

  // Its history goes on where it was.
  apply(*store, attempted({id(5), 1}, Status::failed), attempted({id(5), 2}, Status::delivered));
  CHECK(must(store->find(id(5)))->recipients[1].attempts == 2);
  CHECK(must(store->find(id(5)))->events.size() == 3 + 6);
  CHECK(store->load(id(5)).error().code == Errc::not_found);
}

TEST_CASE("an idempotency key leads to the newest of restored messages, in whatever order they come") {
  TempDir directory;
  const auto store = open(directory);
  const auto restored = [](std::uint32_t number) {
    Restore restore;
    restore.message = with_key(number, "k");
    restore.recipients.resize(1);
    restore.recipients[0].due = at(1);
    return restore;
  };
  for (const std::uint32_t number : {5u, 3u, 7u, 6u}) apply(*store, restored(number));
  CHECK(must(store->find_by_key({{"acme"}, "k"})) == id(7));
}

TEST_CASE("an id that is there already is left as it is") {
  TempDir directory;
  const auto store = open(directory);
  apply(*store, accept({.number = 5, .recipients = 1, .content = "mine"}));
  CHECK(apply(*store, three(5), three(6)).stale == 1);
  CHECK(must(store->find(id(5)))->recipients.size() == 1);
  CHECK(must(store->load(id(5)))->body->flatten() == "mine");
  CHECK(must(store->find(id(6)))->recipients.size() == 3);
}

TEST_CASE("a finished message needs no content, and keeps its size") {
  TempDir directory;
  const auto store = open(directory);
  Restore restore = three(5);
  Message without = *restore.message;
  without.body = nullptr;
  restore.message = std::make_shared<const Message>(without);
  restore.recipients.resize(3);
  for (std::size_t i : {1u, 2u})
    restore.recipients[i] = {Status::cancelled, 0, {}, {past(EventType::cancelled, Status::cancelled, 0, 9)}};
  apply(*store, restore);
  CHECK(must(store->counts()).queued == 0);
  CHECK(must(store->find(id(5)))->message.size == 9000);
  CHECK(apply(*store, Purge{at(100)}).purged == 1);
}

TEST_CASE("what no spool can hold is refused") {
  TempDir directory;
  const auto store = open(directory);
  const auto refused = [&](auto change) {
    Restore restore = three(5);
    change(restore);
    const Operation operation = restore;
    const auto applied = store->apply({&operation, 1});
    REQUIRE_FALSE(applied);
    CHECK(applied.error().code == Errc::invalid);
    CHECK_FALSE(must(store->find(id(5))).has_value());
    return applied.error().message;
  };
  const auto without_body = [](Restore& r, std::uint64_t size) {
    Message m = *r.message;
    if (size == 0) m.body = nullptr;
    m.size = size;
    r.message = std::make_shared<const Message>(m);
  };
  CHECK(refused([](Restore& r) { r.recipients.pop_back(); }) == "there are 2 recipients and 3 addresses");
  CHECK(refused([&](Restore& r) { without_body(r, 0); }) ==
        "a recipient is open, and the content is not there");
  CHECK(refused([&](Restore& r) { without_body(r, 8999); }) ==
        "the content is 9000 bytes long, and should be 8999");
  CHECK(refused([](Restore& r) {
          Message m = *r.message;
          m.sandbox = true;
          r.message = std::make_shared<const Message>(m);
        }) == "it is a message of the sandbox, and a recipient is open");
  CHECK(refused([](Restore& r) { r.recipients[0].status = Status::queued; }) ==
        "recipient 0 is queued, and by its events delivered");
  CHECK(refused([](Restore& r) { r.recipients[2].status = Status::failed; }) ==
        "recipient 2 is failed, and by its events queued");
  CHECK(refused([](Restore& r) { r.recipients[2].attempts = 1; }) ==
        "recipient 2 has 1 attempts, and by its events 0");
  CHECK(refused([](Restore& r) { r.recipients[0].events[0].attempts = 3; }) ==
        "recipient 0 has events whose attempts do not add up");
  CHECK(refused([](Restore& r) { r.recipients[0].events[0].status = Status::failed; }) ==
        "recipient 0 has an event deferred that is said to have left it failed");
  CHECK(refused([](Restore& r) { std::swap(r.recipients[0].events[0], r.recipients[0].events[1]); }) ==
        "recipient 0 has an event after its final one");
}
