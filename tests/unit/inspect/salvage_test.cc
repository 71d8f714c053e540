// What is saved of a damaged message: nothing lost, nothing delivered twice.
#include "spool/inspect/salvage.h"

#include "spool/restore.h"
#include "tests/unit/inspect/support.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;

namespace {

struct Read {
  Salvaged saved;
  bool whole = false;
  std::string content;
};

Read read(const TempDir& directory, std::uint32_t number, Soundness tables_sound = {}) {
  const auto file = must(SpoolFile::open(directory.spool()));
  const auto view = must(file->view());
  Faults quiet([](const Fault&) {});
  const auto tables = find_tables(view, quiet);
  MessageWalk walk(view, tables, quiet);
  REQUIRE(walk.seek(id(number)) == id(number));
  const auto message = walk.read(id(number));
  Read result;
  const auto content = walk.content(message, [&](std::string_view chunk) { result.content += chunk; });
  result.whole = content.whole;
  result.saved = salvage(message, content.whole, tables_sound, at(5000));
  if (result.saved.restore) {
    // Whatever is saved, a spool takes it.
    Message m = *result.saved.restore->message;
    m.body = std::make_shared<const Body>(result.content);
    result.saved.restore->message = std::make_shared<const Message>(m);
    const auto legal = check_legal(*result.saved.restore);
    CAPTURE(legal ? "" : legal.error().message);
    CHECK(legal);
  }
  return result;
}

void damage_value(const TempDir& directory, Table table, const RowKey& key) {
  damage(directory, table, [&](Cursor& cursor) { must(cursor.put(key.view(), "damaged")); });
}

Status status_of(const Read& read, std::size_t recipient) {
  return read.saved.restore->recipients.at(recipient).status;
}

}  // namespace

TEST_CASE("a sound message is saved as it is") {
  TempDir directory;
  fill(directory);
  const Read one = read(directory, 1);
  CHECK(one.saved.notes.empty());
  CHECK(one.whole);
  CHECK(one.content == some_bytes(10'000, 1));
  const auto& recipients = one.saved.restore->recipients;
  CHECK(recipients[0].status == Status::delivered);
  CHECK(recipients[1].status == Status::held);
  CHECK(recipients[1].events.size() == 2);
  CHECK(recipients[2].status == Status::queued);
  CHECK(recipients[2].attempts == 1);
  CHECK(recipients[2].due == at(160));
  CHECK_FALSE(read(directory, 2).saved.open());
  CHECK(read(directory, 2).saved.notes.empty());
}

TEST_CASE("a row that cannot be read is an open recipient's") {
  TempDir directory;
  fill(directory);
  damage_value(directory, Table::queue, RowKey::recipient({id(1), 1}));
  damage_value(directory, Table::queue, RowKey::recipient({id(4), 0}));
  const Read one = read(directory, 1);
  CHECK(status_of(one, 1) == Status::held);
  CHECK(one.saved.notes ==
        Lines{"recipient r1@d1.example.net: its row in the queue cannot be read; it counts as held"});
  const Read four = read(directory, 4);
  CHECK(status_of(four, 0) == Status::queued);
  CHECK(four.saved.restore->recipients[0].due == at(4));
}

TEST_CASE("whoever has a final event is finished, whatever the queue says") {
  TempDir directory;
  fill(directory);
  put_row(directory, {id(1), 0}, [](QueueRecord& row) { row.attempts = 1, row.next_event = 1; });
  const Read one = read(directory, 1);
  CHECK(status_of(one, 0) == Status::delivered);
  CHECK(one.saved.notes.size() == 1);
}

TEST_CASE("whoever has a closed row is finished as it says, with its event or without") {
  TempDir directory;
  fill(directory);
  const auto closed = [](QueueRecord& row) {
    row.attempts = 2, row.next_event = 1, row.status = Status::delivered;
  };
  put_row(directory, {id(1), 0}, closed);
  put_row(directory, {id(1), 2}, closed);
  const Read one = read(directory, 1);
  CHECK(one.saved.notes.empty());
  const auto& recipients = one.saved.restore->recipients;
  CHECK(recipients[0].status == Status::delivered);
  CHECK(recipients[0].events.size() == 1);
  CHECK(recipients[2].status == Status::delivered);
  CHECK(recipients[2].attempts == 2);
  REQUIRE(recipients[2].events.size() == 2);
  CHECK(recipients[2].events[1].event.type == EventType::delivered);
}

TEST_CASE("of whom nothing is left is held, and delivered only if somebody says so") {
  TempDir directory;
  fill(directory);
  erase(directory, Table::queue, RowKey::recipient({id(1), 2}));
  const Read one = read(directory, 1);
  CHECK(status_of(one, 2) == Status::held);
  CHECK(one.saved.restore->recipients[2].events.back().event.type == EventType::held);
  CHECK_FALSE(one.saved.restore->recipients[2].events.back().event.detail.empty());
  CHECK(one.saved.notes.at(0).find("held until you release or cancel it") != std::string::npos);
}

TEST_CASE("who is not in a sound queue was finished, if the events are not sound") {
  TempDir directory;
  fill(directory);
  erase(directory, Table::events, RowKey::event({id(1), 0}, 0));
  CHECK(status_of(read(directory, 1, {.queue = true, .events = false}), 0) == Status::cancelled);
  CHECK(status_of(read(directory, 1, {.queue = false, .events = false}), 0) == Status::held);
  CHECK(status_of(read(directory, 1, {.queue = false, .events = true}), 0) == Status::held);
  CHECK(status_of(read(directory, 1, {.queue = true, .events = true}), 0) == Status::held);
}

TEST_CASE("whose final event is damaged is finished: it is not delivered again") {
  TempDir directory;
  fill(directory);
  damage_value(directory, Table::events, RowKey::event({id(1), 0}, 0));
  const Read one = read(directory, 1);
  CHECK(status_of(one, 0) == Status::cancelled);
  CHECK(one.whole);
  damage_value(directory, Table::events, RowKey::event({id(2), 0}, 0));
  CHECK(status_of(read(directory, 2), 0) == Status::cancelled);
  CHECK_FALSE(read(directory, 2).saved.open());
}

TEST_CASE("a history goes on around what is damaged in it") {
  TempDir directory;
  fill(directory);
  damage_value(directory, Table::events, RowKey::event({id(1), 1}, 0));
  const Read one = read(directory, 1);
  CHECK(status_of(one, 1) == Status::held);
  CHECK(one.saved.restore->recipients[1].events.size() == 1);
  CHECK(one.saved.notes == Lines{"recipient r1@d1.example.net: a part of the history is left out"});

  damage_value(directory, Table::events, RowKey::event({id(1), 2}, 0));
  CHECK(status_of(read(directory, 1), 2) == Status::queued);
  CHECK(read(directory, 1).saved.restore->recipients[2].attempts == 0);
}

TEST_CASE("a damaged content ends those who wait for it, a damaged record saves nothing") {
  TempDir directory;
  fill(directory);
  damage_value(directory, Table::bodies, RowKey::part(id(1), 1));
  const Read one = read(directory, 1);
  CHECK_FALSE(one.whole);
  CHECK_FALSE(one.saved.open());
  CHECK(one.saved.given_up == 2);
  CHECK(one.saved.notes ==
        Lines{"its content is damaged and left out; its 2 open recipients count as cancelled"});
  const auto& recipients = one.saved.restore->recipients;
  CHECK(recipients[0].status == Status::delivered);
  CHECK(recipients[0].events.size() == 1);
  for (const std::size_t i : {1, 2}) {
    CHECK(recipients[i].status == Status::cancelled);
    REQUIRE(recipients[i].events.size() > 1);
    const EventRecord& last = recipients[i].events.back();
    CHECK(last.event.type == EventType::cancelled);
    CHECK(last.event.at == at(5000));
    CHECK(last.event.detail == "the content of the message was damaged");
  }
  CHECK(recipients[2].attempts == 1);
  damage_value(directory, Table::messages, RowKey::message(id(4)));
  const Read four = read(directory, 4);
  CHECK_FALSE(four.saved.restore);
  CHECK(four.saved.notes ==
        Lines{"it cannot be exported: its record is damaged; 1 of its recipients were open"});
}

TEST_CASE("with a damaged content nobody is open, whatever else is damaged") {
  TempDir directory;
  fill(directory);
  damage_value(directory, Table::bodies, RowKey::part(id(1), 1));
  damage_value(directory, Table::queue, RowKey::recipient({id(1), 1}));
  erase(directory, Table::queue, RowKey::recipient({id(1), 2}));
  put_row(directory, {id(1), 0}, [](QueueRecord& row) { row.attempts = 1, row.next_event = 1; });
  const Read one = read(directory, 1);
  CHECK(status_of(one, 0) == Status::delivered);
  CHECK(status_of(one, 1) == Status::cancelled);
  CHECK(status_of(one, 2) == Status::cancelled);
  CHECK(one.saved.given_up == 1);
  CHECK(one.saved.restore->recipients[2].events.back().event.detail !=
        "the content of the message was damaged");
  CHECK(one.saved.notes.back() ==
        "its content is damaged and left out; its 1 open recipient counts as cancelled");
}
