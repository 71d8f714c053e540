#include <algorithm>
#include <utility>

#include "tests/unit/spool/support.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;

TEST_CASE("an accepted message reads back as it was") {
  TempDir directory;
  const auto store = open(directory);
  const Sample sample{.recipients = 4, .content = some_bytes(20'000, 1)};
  apply(*store, accept(sample));
  const auto original = message(sample);
  for (const auto& read : {must(store->load(id(1))),
                           std::make_shared<const Message>(must(store->find(id(1))).value().message)}) {
    CHECK(read->id == original->id);
    CHECK(read->account == original->account);
    CHECK(read->key == original->key);
    CHECK(read->origin == original->origin);
    CHECK(read->accepted == original->accepted);
    CHECK(read->envelope.reverse_path == original->envelope.reverse_path);
    CHECK(read->envelope.eight_bit);
    CHECK_FALSE(read->envelope.smtputf8);
    CHECK(read->from == original->from);
    CHECK(read->subject == original->subject);
    CHECK(read->rfc_message_id == original->rfc_message_id);
    CHECK(read->tags == original->tags);
    CHECK(read->size == original->size);
    REQUIRE(read->envelope.recipients.size() == 4);
    CHECK(read->envelope.recipients[3].address == "r3@d0.example.net");
  }
  CHECK(must(store->load(id(1)))->body->flatten() == sample.content);
  CHECK(must(store->find(id(1)))->message.body == nullptr);
  CHECK_FALSE(must(store->find(id(2))).has_value());
  CHECK(store->load(id(2)).error().code == Errc::not_found);
}

TEST_CASE("what a message carries besides its content reads back as it was, from a long record too") {
  TempDir directory;
  const auto store = open(directory);
  for (const std::uint32_t recipients : {2u, 400u}) {
    const auto original = full_message({.number = recipients, .recipients = recipients});
    apply(*store, accept_message(original));
    check_same_attributes(*must(store->load(original->id)), *original);
    check_same_attributes(must(store->find(original->id))->message, *original);
    CHECK(must(store->find(original->id))->recipients[1].next_attempt == original->since());
  }
  const auto row = must(store->list_queue({.domain = {}, .status = {}, .after = {}, .limit = 1})).at(0);
  CHECK(row.scheduled == at(1002));
}

TEST_CASE("a message is found by its idempotency key, in its account alone, until it is purged") {
  TempDir directory;
  auto store = open(directory);
  const auto found = [&](const char* account, const char* key) {
    return must(store->find_by_key({{account}, key}));
  };
  CHECK_FALSE(found("acme", "k").has_value());
  apply(*store, accept_message(with_key(1, "k")), accept_message(with_key(2, "l")),
        accept_message(with_key(3, "k", "other")), accept({.number = 4}));
  store.reset();
  store = open(directory);
  CHECK(found("acme", "k") == id(1));
  CHECK(found("acme", "l") == id(2));
  CHECK(found("other", "k") == id(3));
  CHECK_FALSE(found("other", "l").has_value());
  apply(*store, accept_message(with_key(5, "k")));
  CHECK(found("acme", "k") == id(5));
  for (const std::uint32_t n : {1u, 2u, 3u}) apply(*store, attempted({id(n), 0}, Status::delivered));
  CHECK(apply(*store, Purge{at(5)}).purged == 3);
  CHECK(found("acme", "k") == id(5));  // the purged one is not the last with that key
  CHECK_FALSE(must(store->find_by_key({{"acme"}, "k", true})).has_value());
  CHECK_FALSE(found("acme", "l").has_value());
  CHECK_FALSE(found("other", "k").has_value());
}

TEST_CASE("a message of the sandbox and one that is sent do not answer for each other") {
  TempDir directory;
  const auto store = open(directory);
  Message m = *with_key(1, "k");
  m.sandbox = true;
  apply(*store, accept_message(std::make_shared<const Message>(m)), accept_message(with_key(2, "k")));
  CHECK(must(store->find_by_key({{"acme"}, "k", true})) == id(1));
  CHECK(must(store->find_by_key({{"acme"}, "k", false})) == id(2));
  apply(*store, attempted({id(1), 0}, Status::delivered));
  CHECK(apply(*store, Purge{at(2)}).purged == 1);
  CHECK_FALSE(must(store->find_by_key({{"acme"}, "k", true})).has_value());
  CHECK(must(store->find_by_key({{"acme"}, "k", false})) == id(2));
}

TEST_CASE("bodies of every size around a page's edges, in segments") {
  TempDir directory;
  const auto store = open(directory);
  std::uint32_t number = 0;
  for (const std::size_t size : {0, 1, 100, 2030, 4074, 4075, 4076, 4080, 4096, 8150, 8151, 100'000}) {
    CAPTURE(size);
    const std::string content = some_bytes(size, size);
    Message m = *message({.number = ++number});
    auto body = std::make_shared<Body>();
    for (std::size_t from = 0; from < size; from += 700) body->append(content.substr(from, 700));
    m.body = body;
    m.size = size;
    apply(*store, Accept{std::make_shared<const Message>(m), at(1)});
    CHECK(must(store->load(id(number)))->body->flatten() == content);
  }
}

TEST_CASE("records longer than a page") {
  TempDir directory;
  const auto store = open(directory);
  for (const std::uint32_t recipients : {150u, 165u, 166u, 167u, 168u, 169u, 170u, 175u, 1000u}) {
    CAPTURE(recipients);
    apply(*store, accept({.number = recipients, .recipients = recipients}));
    const auto view = must(store->find(id(recipients)));
    REQUIRE(view);
    REQUIRE(view->recipients.size() == recipients);
    CHECK(view->recipients.back().address ==
          message({.recipients = recipients})->envelope.recipients.back().address);
  }
}

TEST_CASE("what every operation does in every state") {
  struct Row {
    Status from;
    bool attempt;
    EventType type;
    Status to;
    Status expected;
    bool stale;
  };
  using enum Status;
  std::vector<Row> rows = {
      {queued, true, EventType::deferred, queued, queued, false},
      {queued, true, EventType::delivered, delivered, delivered, false},
      {queued, true, EventType::failed, failed, failed, false},
      {queued, false, EventType::held, held, held, false},
      {queued, false, EventType::released, queued, queued, false},
      {queued, false, EventType::retried, queued, queued, false},
      {queued, false, EventType::cancelled, cancelled, cancelled, false},
      {held, true, EventType::deferred, queued, held, false},
      {held, true, EventType::delivered, delivered, delivered, false},
      {held, true, EventType::failed, failed, failed, false},
      {held, false, EventType::held, held, held, false},
      {held, false, EventType::released, queued, queued, false},
      {held, false, EventType::retried, queued, queued, false},
      {held, false, EventType::cancelled, cancelled, cancelled, false},
  };
  const std::vector<Row> open_rows = rows;
  for (const Status from : {delivered, failed, cancelled})
    for (const Row& row : open_rows)
      if (row.from == queued) rows.push_back({from, row.attempt, row.type, row.to, from, true});

  for (const Row& row : rows) {
    CAPTURE(text(row.from));
    CAPTURE(text(row.type));
    TempDir directory;
    const auto store = open(directory);
    const RecipientRef ref{id(1), 0};
    apply(*store, accept({}));
    if (row.from == held) apply(*store, set_status(ref, EventType::held, held, 10));
    if (row.from == delivered || row.from == failed) apply(*store, attempted(ref, row.from, 10));
    if (row.from == cancelled) apply(*store, set_status(ref, EventType::cancelled, cancelled, 10));
    const auto before = must(store->find(id(1))).value();
    REQUIRE(before.recipients[0].status == row.from);

    Event what = event(row.type, 20);
    Operation operation = row.attempt ? Operation(Attempted{ref, what, row.to, at(80)})
                                      : Operation(SetStatus{ref, what, row.to, at(80)});
    const Applied applied = must(store->apply({&operation, 1}));
    const auto after = must(store->find(id(1))).value();
    CHECK(applied.stale == (row.stale ? 1 : 0));
    CHECK(after.recipients[0].status == row.expected);
    CHECK(after.events.size() == before.events.size() + (row.stale ? 0 : 1));
    CHECK(after.recipients[0].attempts ==
          before.recipients[0].attempts + (row.attempt && !row.stale ? 1 : 0));
    if (row.expected == queued) CHECK(after.recipients[0].next_attempt == at(80));
    CHECK(must(store->counts()).queued == (terminal(row.expected) ? 0 : 1));
    CHECK(store->load(id(1)).has_value() == !terminal(row.expected));
    if (!row.stale) CHECK(after.events.back().type == row.type);
  }
}

TEST_CASE("operations on what is not known are stale") {
  TempDir directory;
  const auto store = open(directory);
  apply(*store, accept({.recipients = 2}));
  CHECK(apply(*store, attempted({id(1), 2}, Status::delivered)).stale == 1);
  CHECK(apply(*store, attempted({id(9), 0}, Status::delivered)).stale == 1);
  CHECK(apply(*store, accept({.recipients = 5})).stale == 1);  // the first acceptance stands
  CHECK(must(store->find(id(1)))->recipients.size() == 2);
  CHECK(must(store->counts()).queued == 2);
}

TEST_CASE("an attempt's event reads back as it was, the newest as the recipient's last") {
  TempDir directory;
  const auto store = open(directory);
  const RecipientRef ref{id(1), 1};
  apply(*store, accept({.recipients = 2}), attempted(ref, Status::queued, 50));
  apply(*store, attempted(ref, Status::failed, 40),
        set_status({id(1), 0}, EventType::held, Status::held, 45));
  const auto view = must(store->find(id(1))).value();
  REQUIRE(view.events.size() == 5);
  CHECK(view.events[0].type == EventType::queued);
  CHECK(view.events[0].at == at(1));
  CHECK(view.events[1].recipient == 1);
  CHECK(view.events[2].type == EventType::failed);  // by time, though recorded later
  CHECK(view.events[3].type == EventType::held);
  const Event& deferred = view.events[4];
  CHECK(deferred.stage == "sending RCPT TO");
  CHECK(deferred.host == "mx.example.net [192.0.2.1]:25");
  CHECK(deferred.reply == wire::Reply{450, "4.2.1", {"busy", "later"}});
  CHECK(deferred.detail == "why");
  CHECK(deferred.tls);
  CHECK_FALSE(deferred.in_doubt);
  CHECK(deferred.duration_ms == 12);
  CHECK(deferred.recipient == 1);
  CHECK(view.recipients[1].attempts == 2);
  CHECK(view.recipients[1].last->type == EventType::failed);
  CHECK(view.recipients[0].status == Status::held);
  CHECK_FALSE(view.recipients[0].last.has_value());
}

TEST_CASE("the body goes with the last open recipient") {
  TempDir directory;
  const auto store = open(directory);
  apply(*store, accept({.number = 1, .content = "one"}),
        accept({.number = 2, .recipients = 3, .content = some_bytes(50'000, 2)}),
        accept({.number = 3, .content = "three"}));
  apply(*store, attempted({id(2), 1}, Status::delivered), attempted({id(2), 0}, Status::failed));
  CHECK(must(store->load(id(2)))->body->size() == 50'000);
  apply(*store, set_status({id(2), 2}, EventType::cancelled, Status::cancelled));
  const auto gone = store->load(id(2));
  REQUIRE_FALSE(gone);
  CHECK(gone.error().code == Errc::not_found);
  CHECK(must(store->load(id(1)))->body->flatten() == "one");
  CHECK(must(store->load(id(3)))->body->flatten() == "three");
  const Counts counts = must(store->counts());
  CHECK(counts.messages == 3);
  CHECK(counts.queued == 2);
}

TEST_CASE("a message without recipients is closed from the start") {
  TempDir directory;
  const auto store = open(directory);
  apply(*store, accept({.recipients = 0}));
  CHECK(must(store->find(id(1)))->recipients.empty());
  CHECK(store->load(id(1)).error().code == Errc::not_found);
  CHECK(must(store->counts()).queued == 0);
}

TEST_CASE("a restart finds everything as it was") {
  TempDir directory;
  {
    const auto store = open(directory);
    apply(*store, accept({.number = 1, .recipients = 3}), accept({.number = 2}));
    apply(*store, attempted({id(1), 0}, Status::queued), attempted({id(1), 1}, Status::delivered),
          set_status({id(2), 0}, EventType::held, Status::held));
  }
  const auto store = open(directory);
  const auto [entries, damage, claimed] = claim(*store);
  CHECK(damage.empty());
  CHECK(claimed.recipients == entries.size());
  REQUIRE(entries.size() == 3);
  CHECK(entries[0].ref == RecipientRef{id(1), 0});
  CHECK(entries[0].attempts == 1);
  CHECK(entries[0].due == at(160));
  CHECK(entries[0].since == at(1));
  CHECK(entries[0].domain == "d0.example.net");
  CHECK(entries[1].ref == RecipientRef{id(1), 2});
  CHECK(entries[1].status == Status::queued);
  CHECK(entries[1].due == at(1));
  CHECK(entries[2].status == Status::held);
  CHECK(must(store->load(id(1)))->body->size() > 0);
}

TEST_CASE("keys: insert, replace, read") {
  TempDir directory;
  const auto store = open(directory);
  ApiKey key{
      .id = {"abc"}, .account = {"acme"}, .label = "demo", .hash = {}, .created = at(5), .revoked = {}};
  key.hash.fill(0xa5);
  apply(*store, PutKey{key},
        PutKey{{.id = {"abd"}, .account = {}, .label = {}, .hash = {}, .created = {}, .revoked = {}}});
  key.revoked = at(9);
  key.policy.domains = {"example.com"};
  apply(*store, PutKey{key});
  const auto keys = must(store->keys());
  REQUIRE(keys.size() == 2);
  CHECK(keys[0].id.value == "abc");
  CHECK(keys[0].account.value == "acme");
  CHECK(keys[0].label == "demo");
  CHECK(keys[0].hash == key.hash);
  CHECK(keys[0].created == at(5));
  CHECK(keys[0].revoked == at(9));
  CHECK(keys[0].policy == key.policy);
  CHECK_FALSE(keys[1].revoked.has_value());
}

TEST_CASE("what keys send in a day: counted with the message, once, and over a restart") {
  constexpr std::uint32_t day = 86400;
  TempDir directory;
  const auto counted = [](std::uint32_t second) {
    Accept operation = accept({.number = second});
    operation.counted = true;
    return operation;
  };
  const auto sent = [](const Store& store) {
    std::vector<std::string> lines;
    for (const KeyDay& each : must(store.key_days()))
      lines.push_back(each.key.value + " " + std::to_string(each.day) + " " + std::to_string(each.messages));
    return lines;
  };
  using Lines = std::vector<std::string>;
  {
    const auto store = open(directory);
    CHECK(sent(*store).empty());
    apply(*store, accept({.number = 1}));
    CHECK(sent(*store).empty());
    apply(*store, counted(2), counted(3), accept({.number = 4}));
    CHECK(sent(*store) == Lines{"abcdefghjkmn 0 2"});
    CHECK(apply(*store, counted(3), counted(5)).stale == 1);  // not again
    CHECK(sent(*store) == Lines{"abcdefghjkmn 0 3"});
  }
  const auto store = open(directory);
  CHECK(sent(*store) == Lines{"abcdefghjkmn 0 3"});
  apply(*store, counted(6));
  CHECK(sent(*store) == Lines{"abcdefghjkmn 0 4"});
  apply(*store, counted(day - 1), counted(day), counted(day + 1));  // over midnight
  CHECK(sent(*store) == Lines{"abcdefghjkmn 1 2"});
  apply(*store, counted(day + 2));
  CHECK(sent(*store) == Lines{"abcdefghjkmn 1 3"});
  apply(*store, counted(day - 2));  // by a loop that has read its clock before midnight
  CHECK(sent(*store) == Lines{"abcdefghjkmn 1 4"});
  EventRecord record;
  record.event = event(EventType::delivered, day + 3);
  record.status = Status::delivered;
  record.attempts = 1;
  Restore finished;  // accepted as delivered, or brought back from an export
  finished.recipients.push_back({Status::delivered, 1, {}, {record}});
  for (const bool is_new : {true, false}) {
    finished.message = message({.number = is_new ? day + 3 : day + 4});
    finished.counted = is_new;
    apply(*store, finished);
    CHECK(sent(*store) == Lines{"abcdefghjkmn 1 5"});
  }
  apply(*store, counted(10 * day));  // a clock that was wrong
  apply(*store, counted(day + 10));
  CHECK(sent(*store) == Lines{"abcdefghjkmn 1 1"});
}
