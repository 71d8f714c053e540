// Every invariant of spool/FORMAT.md, violated once: check must name it, and nothing else.
#include "tests/unit/inspect/support.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;

namespace {

using Damage = std::function<void(const TempDir&)>;

void flip(const TempDir& directory, Table table, const RowKey& key) {
  damage(directory, table, [&](Cursor& cursor) {
    REQUIRE(must(cursor.seek(key.view())));
    std::string value(must(cursor.value()));
    value.back() = static_cast<char>(value.back() ^ 1);
    must(cursor.put(key.view(), value));
  });
}

void raw(const TempDir& directory, Table table, std::string_view key, std::string_view value) {
  damage(directory, table, [&](Cursor& cursor) { must(cursor.put(key, value)); });
}

Lines lines_after(const Damage& change) {
  TempDir directory;
  fill(directory);
  change(directory);
  return check(directory).lines();
}

}  // namespace

TEST_CASE("a sound spool has no faults, and is counted") {
  TempDir directory;
  fill(directory);
  const Checked checked = check(directory);
  CHECK(checked.lines() == Lines{});
  CHECK(checked.report.messages == 4);
  CHECK(checked.report.recipients == 3 + 1 + 500 + 1);
  CHECK(checked.report.open == 2 + 500 + 1);
  CHECK(checked.report.keys == 1);
  CHECK(checked.report.bytes > 10'000);
  CHECK(checked.report.pages == checked.report.pages_used + checked.report.pages_free);
  CHECK(checked.report.pages_used > 10);
  CHECK(checked.report.created.starts_with("20"));
}

TEST_CASE("an empty spool is sound") {
  TempDir directory;
  open(directory);
  CHECK(check(directory).lines() == Lines{});
}

TEST_CASE("damaged records") {
  CHECK(lines_after([](auto& d) { flip(d, Table::messages, RowKey::message(id(1))); }) ==
        Lines{"record_damaged messages 1"});
  CHECK(lines_after([](auto& d) { flip(d, Table::rest, RowKey::part(id(3), 1)); }) ==
        Lines{"record_damaged rest 3"});
  CHECK(lines_after([](auto& d) { flip(d, Table::bodies, RowKey::part(id(1), 1)); }) ==
        Lines{"record_damaged bodies 1"});
  CHECK(lines_after([](auto& d) { flip(d, Table::queue, RowKey::recipient({id(1), 2})); }) ==
        Lines{"record_damaged queue 1.2"});
  CHECK(lines_after([](auto& d) { flip(d, Table::events, RowKey::event({id(1), 1}, 0)); }) ==
        Lines{"record_damaged events 1.1"});
  CHECK(lines_after([](auto& d) {
          damage(d, Table::keys, [](Cursor& cursor) {
            REQUIRE(must(cursor.first()));
            const std::string key(cursor.key());
            must(cursor.put(key, "xxxxxxxxxx"));
          });
        }) == Lines{"record_damaged keys"});
}

TEST_CASE("a record under another's key") {
  CHECK(lines_after([](auto& d) {
          damage(d, Table::queue, [](Cursor& cursor) {
            REQUIRE(must(cursor.seek(RowKey::recipient({id(1), 2}).view())));
            const std::string value(must(cursor.value()));
            must(cursor.put(RowKey::recipient({id(4), 0}).view(), value));
          });
        }) == Lines{"record_damaged queue 4.0"});
}

TEST_CASE("records whose checksum holds and whose fields mean nothing") {
  CHECK(lines_after([](auto& d) { put(d, Table::messages, RowKey::message(id(4)).view(), "no"); }) ==
        Lines{"record_meaningless messages 4"});
  CHECK(lines_after([](auto& d) {
          put(d, Table::messages, RowKey::message(id(4)).view(), std::string(4, '\0') + "nonsense");
        }) == Lines{"record_meaningless messages 4"});
  CHECK(lines_after([](auto& d) { put(d, Table::queue, RowKey::recipient({id(4), 0}).view(), "x"); }) ==
        Lines{"record_meaningless queue 4.0"});
  CHECK(lines_after([](auto& d) { put(d, Table::events, RowKey::event({id(1), 1}, 0).view(), "x"); }) ==
        Lines{"record_meaningless events 1.1"});
  CHECK(lines_after([](auto& d) { put(d, Table::keys, "abcdefghjkmn", "x"); }) ==
        Lines{"record_meaningless keys"});
  CHECK(lines_after([](auto& d) { raw(d, Table::accounts, RowKey::account({"acme"}, id(4)).view(), "x"); }) ==
        Lines{"record_meaningless accounts"});
}

TEST_CASE("keys that no row can have") {
  for (const Table table : {Table::messages, Table::rest, Table::bodies, Table::queue, Table::events,
                            Table::accounts, Table::idempotency}) {
    CAPTURE(name(table));
    const Lines lines = lines_after([&](auto& d) { raw(d, table, std::string(17, '\x01'), "x"); });
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].starts_with("key_malformed " + std::string(name(table))));
  }
}

TEST_CASE("a value longer than a page") {
  CHECK(lines_after([](auto& d) {
          ApiKey key;
          key.label = std::string(5000, 'x');
          std::string payload;
          encode_key(key, payload);
          put(d, Table::keys, "abcdefghjkmn", payload);
        }) == Lines{"value_long keys"});
}

TEST_CASE("the meta rows") {
  const auto without = [](const char* key) {
    return [key](const TempDir& d) {
      damage(d, Table::meta, [key](Cursor& cursor) {
        REQUIRE(must(cursor.seek(key)));
        must(cursor.erase());
      });
    };
  };
  CHECK(lines_after(without("created")) == Lines{"meta_row meta"});
  CHECK(lines_after(without("format")) == Lines{"meta_row meta"});
  CHECK(lines_after([](auto& d) { raw(d, Table::meta, "created", "yesterday"); }) == Lines{"meta_row meta"});
  CHECK(lines_after([](auto& d) { raw(d, Table::meta, "colour", "blue"); }) == Lines{"meta_row meta"});
  TempDir directory;
  fill(directory);
  raw(directory, Table::meta, "format", "7");
  const auto file = must(SpoolFile::open(directory.spool()));
  const auto refused = check_spool(*file, {}, [](Fault) {}, [](std::uint64_t, std::uint64_t) {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("has format \"7\"") != std::string::npos);
}

TEST_CASE("the pieces of a record") {
  CHECK(lines_after([](auto& d) { erase(d, Table::rest, RowKey::part(id(3), 1)); }) ==
        Lines{"rest_missing rest 3"});
  CHECK(lines_after([](auto& d) { put(d, Table::rest, RowKey::part(id(3), 9).view(), "more"); }) ==
        Lines{"rest_surplus rest 3"});
  CHECK(lines_after([](auto& d) { put(d, Table::rest, RowKey::part(id(4), 0).view(), "more"); }) ==
        Lines{"rest_surplus rest 4"});
}

TEST_CASE("the chunks of a content") {
  CHECK(lines_after([](auto& d) { erase(d, Table::bodies, RowKey::part(id(1), 0)); }) ==
        Lines{"body_missing bodies 1"});
  CHECK(lines_after([](auto& d) { erase(d, Table::bodies, RowKey::part(id(1), 2)); }) ==
        Lines{"body_missing bodies 1"});
  CHECK(lines_after([](auto& d) { put(d, Table::bodies, RowKey::part(id(1), 3).view(), "more"); }) ==
        Lines{"body_surplus bodies 1"});
  CHECK(lines_after([](auto& d) { put(d, Table::bodies, RowKey::part(id(2), 0).view(), "still here"); }) ==
        Lines{"body_surplus bodies 2"});
  CHECK(lines_after([](auto& d) { put(d, Table::bodies, RowKey::part(id(1), 2).view(), "short"); }) ==
        Lines{"body_size bodies 1"});
  CHECK(lines_after([](auto& d) { put(d, Table::bodies, RowKey::part(id(1), 1).view(), "short"); }) ==
        Lines{"body_size bodies 1"});
}

TEST_CASE("recipients in no legal state, or in two") {
  CHECK(lines_after([](auto& d) { erase(d, Table::queue, RowKey::recipient({id(1), 2})); }) ==
        Lines{"recipient_lost queue 1.2"});
  CHECK(lines_after([](auto& d) { erase(d, Table::events, RowKey::event({id(2), 0}, 0)); }) ==
        Lines{"recipient_lost queue 2.0"});
  CHECK(lines_after([](auto& d) {
          put_row(d, {id(1), 0}, [](QueueRecord& row) { row.attempts = 1, row.next_event = 1; });
        }) == Lines{"recipient_twice queue 1.0"});
  CHECK(lines_after([](auto& d) { put_row(d, {id(4), 1}, [](QueueRecord&) {}); }) ==
        Lines{"recipient_unknown queue 4.1"});
  CHECK(lines_after([](auto& d) { put_event(d, {id(4), 1}, 0, EventType::held, Status::held, 0); }) ==
        Lines{"recipient_unknown events 4.1"});
}

TEST_CASE("a closed row is legal beside a final event that says the same, or beside none") {
  const auto close = [](auto& d, RecipientRef ref, Status status) {
    put_row(d, ref, [&](QueueRecord& row) { row.attempts = 1, row.next_event = 1, row.status = status; });
  };
  CHECK(lines_after([&](auto& d) { close(d, {id(1), 0}, Status::delivered); }) == Lines{});
  CHECK(lines_after([&](auto& d) { close(d, {id(1), 2}, Status::failed); }) == Lines{});
  CHECK(lines_after([&](auto& d) { close(d, {id(2), 0}, Status::failed); }) == Lines{});
  CHECK(lines_after([&](auto& d) { close(d, {id(2), 0}, Status::delivered); }) ==
        Lines{"row_differs queue 2.0"});
  CHECK(lines_after([&](auto& d) { close(d, {id(4), 0}, Status::delivered); }) ==
        Lines{"body_surplus bodies 4"});
}

TEST_CASE("a queue row that says other than record and events") {
  const auto row = [](std::function<void(QueueRecord&)> change) {
    return lines_after([&](auto& d) { put_row(d, {id(4), 0}, change); });
  };
  const Lines differs{"row_differs queue 4.0"};
  CHECK(row([](QueueRecord&) {}) == Lines{});
  CHECK(row([](QueueRecord& r) { r.status = Status::held; }) == differs);
  CHECK(row([](QueueRecord& r) { r.attempts = 1; }) == differs);
  CHECK(row([](QueueRecord& r) { r.next_event = 1; }) == differs);
  CHECK(row([](QueueRecord& r) { r.since = at(3); }) == differs);
  CHECK(row([](QueueRecord& r) { r.domain = "elsewhere.example"; }) == differs);
  CHECK(row([](QueueRecord& r) { r.account = "other"; }) == differs);
  CHECK(row([](QueueRecord& r) { r.stream = Stream::bulk; }) == differs);
  CHECK(lines_after([](auto& d) {
          put_row(d, {id(1), 2},
                  [](QueueRecord& r) { r.attempts = 1, r.next_event = 1, r.status = Status::held; });
        }) == Lines{"row_differs queue 1.2"});
}

TEST_CASE("events that are missing or cannot have happened") {
  using enum EventType;
  CHECK(lines_after([](auto& d) { erase(d, Table::events, RowKey::event({id(1), 1}, 0)); }) ==
        Lines{"event_missing events 1.1"});
  CHECK(lines_after([](auto& d) { put_event(d, {id(1), 0}, 1, deferred, Status::queued, 2); }) ==
        Lines{"event_illegal events 1.0", "recipient_lost queue 1.0"});
  CHECK(lines_after([](auto& d) { put_event(d, {id(1), 0}, 1, failed, Status::failed, 2); }) ==
        Lines{"event_illegal events 1.0"});
  CHECK(lines_after([](auto& d) { put_event(d, {id(1), 0}, 0, delivered, Status::failed, 1); }) ==
        Lines{"event_illegal events 1.0"});
  CHECK(lines_after([](auto& d) { put_event(d, {id(1), 0}, 0, queued, Status::delivered, 1); }) ==
        Lines{"event_illegal events 1.0"});
  CHECK(lines_after([](auto& d) { put_event(d, {id(1), 1}, 0, deferred, Status::queued, 2); }) ==
        Lines{"event_illegal events 1.1"});
  CHECK(lines_after([](auto& d) { put_event(d, {id(1), 0}, 0, delivered, Status::delivered, 0); }) ==
        Lines{"event_illegal events 1.0"});
}

TEST_CASE("orphans of every kind") {
  CHECK(lines_after([](auto& d) { put(d, Table::rest, RowKey::part(id(9), 0).view(), "x"); }) ==
        Lines{"orphan messages 9"});
  CHECK(lines_after([](auto& d) { put(d, Table::bodies, RowKey::part(id(9), 0).view(), "x"); }) ==
        Lines{"orphan messages 9"});
  CHECK(lines_after([](auto& d) { put_row(d, {id(9), 0}, [](QueueRecord&) {}); }) ==
        Lines{"orphan messages 9"});
  CHECK(lines_after([](auto& d) { put_event(d, {id(9), 0}, 0, EventType::held, Status::held, 0); }) ==
        Lines{"orphan messages 9"});
  CHECK(lines_after([](auto& d) { erase(d, Table::messages, RowKey::message(id(1))); }) ==
        Lines{"orphan messages 1", "account_orphan accounts 1"});
}

TEST_CASE("the index of accounts, both ways") {
  CHECK(lines_after([](auto& d) { erase(d, Table::accounts, RowKey::account({"acme"}, id(4))); }) ==
        Lines{"account_missing accounts 4"});
  CHECK(lines_after([](auto& d) { raw(d, Table::accounts, RowKey::account({"acme"}, id(9)).view(), ""); }) ==
        Lines{"account_orphan accounts 9"});
  CHECK(lines_after([](auto& d) { raw(d, Table::accounts, RowKey::account({"other"}, id(4)).view(), ""); }) ==
        Lines{"account_orphan accounts 4"});
}

TEST_CASE("the index of idempotency keys, both ways") {
  const auto with_two = [](const std::function<void(const TempDir&)>& change) {
    return lines_after([&](const TempDir& d) {
      apply(*open(d), accept_message(with_key(5, "k")), accept_message(with_key(6, "k")));
      change(d);
    });
  };
  const RowKey key = RowKey::idempotency({{"acme"}, "k"});
  const auto leads_to = [&](const RowKey& from, std::uint32_t number) {
    return [from, number](const TempDir& d) {
      std::string payload;
      encode_idempotency(id(number), payload);
      put(d, Table::idempotency, from.view(), payload);
    };
  };
  CHECK(with_two([](auto&) {}) == Lines{});
  CHECK(with_two(leads_to(key, 5)) == Lines{});
  CHECK(with_two([&](auto& d) { erase(d, Table::idempotency, key); }) ==
        Lines{"idempotency_missing idempotency 5", "idempotency_missing idempotency 6"});
  CHECK(with_two(leads_to(key, 9)) == Lines{"idempotency_orphan idempotency 9"});
  CHECK(with_two(leads_to(key, 4)) == Lines{"idempotency_orphan idempotency 4"});
  CHECK(with_two(leads_to(RowKey::idempotency({{"acme"}, "l"}), 5)) ==
        Lines{"idempotency_orphan idempotency 5"});
  CHECK(with_two([&](auto& d) { flip(d, Table::idempotency, key); }) == Lines{"record_damaged idempotency"});
  CHECK(with_two([&](auto& d) { put(d, Table::idempotency, key.view(), "x"); }) ==
        Lines{"record_meaningless idempotency"});
}

namespace {

void with_root(const TempDir& d, const std::function<void(MDB_txn*, const Environment&)>& change) {
  const auto environment = must(Environment::open(settings(d)));
  auto txn = must(Txn::begin_write(*environment));
  change(txn.get(), *environment);
  must(txn.commit());
}

}  // namespace

TEST_CASE("a table that is not known, and one that is not there") {
  TempDir d;
  fill(d);
  {
    // A table more than the relay itself has.
    MDB_env* env = nullptr;
    REQUIRE(mdb_env_create(&env) == 0);
    mdb_env_set_maxdbs(env, 20);
    REQUIRE(mdb_env_open(env, d.spool().c_str(), MDB_NOSYNC, 0600) == 0);
    MDB_txn* txn = nullptr;
    REQUIRE(mdb_txn_begin(env, nullptr, 0, &txn) == 0);
    MDB_dbi dbi = 0;
    REQUIRE(mdb_dbi_open(txn, "intruder", MDB_CREATE, &dbi) == 0);
    REQUIRE(mdb_txn_commit(txn) == 0);
    mdb_env_close(env);
  }
  CHECK(check(d).lines() == Lines{"table_unknown"});

  TempDir other;
  fill(other);
  with_root(other, [](MDB_txn* txn, const Environment& env) {
    REQUIRE(mdb_drop(txn, env.dbi(Table::keys), 1) == 0);
  });
  CHECK(check(other).lines() == Lines{"table_missing keys"});
}

TEST_CASE("a spool that was made before a table came is sound, and gets it when it is opened") {
  TempDir directory;
  fill(directory);
  with_root(directory, [](MDB_txn* txn, const Environment& env) {
    for (const Table table : {Table::usage, Table::idempotency})
      REQUIRE(mdb_drop(txn, env.dbi(table), 1) == 0);
    std::string key = "format", value = "1";
    MDB_val k{key.size(), key.data()}, v{value.size(), value.data()};
    REQUIRE(mdb_put(txn, env.dbi(Table::meta), &k, &v, 0) == 0);
  });
  CHECK(check(directory).lines() == Lines{});
  Accept counted = accept({.number = 9});
  counted.counted = true;
  apply(*open(directory), counted);
  REQUIRE(must(open(directory)->key_days()).size() == 1);
  CHECK(check(directory).lines() == Lines{});
  damage(directory, Table::usage, [](Cursor& cursor) {
    REQUIRE(must(cursor.first()));
    std::string value(must(cursor.value()));
    value.back() = static_cast<char>(value.back() ^ 1);
    must(cursor.put("abcdefghjkmn", value));
  });
  CHECK(check(directory).lines() == Lines{"record_damaged usage"});
  put(directory, Table::usage, "abcdefghjkmn", "x");
  CHECK(check(directory).lines() == Lines{"record_meaningless usage"});
}
