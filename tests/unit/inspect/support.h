// What the tests of spool/inspect share: a small spool with every kind of row, and ways to damage it.
#pragma once
#include <algorithm>
#include <fstream>
#include <functional>

#include "spool/inspect/check.h"
#include "spool/lmdb_env.h"
#include "spool/records.h"
#include "tests/unit/spool/support.h"

namespace relay::spool::test {

// 1: three recipients: delivered, held after two events, queued after a deferral; content of three chunks.
// 2: finished. 3: 500 recipients, so that its record goes on in `rest`. 4: queued, never tried.
inline void fill(const TempDir& directory) {
  const auto store = open(directory);
  using enum Status;
  ApiKey key;
  key.id.value = "abcdefghjkmn";
  apply(*store, accept({.number = 1, .recipients = 3, .content = some_bytes(10'000, 1)}),
        accept({.number = 2}), accept({.number = 3, .recipients = 500, .account = "other"}),
        accept({.number = 4}), PutKey{key});
  apply(*store, attempted({id(1), 0}, delivered), attempted({id(1), 1}, queued),
        set_status({id(1), 1}, EventType::held, held, 200), attempted({id(1), 2}, queued),
        attempted({id(2), 0}, failed));
}

// Changes a closed spool behind its back, as LMDB lets anyone.
inline void damage(const TempDir& directory, Table table, const std::function<void(Cursor&)>& change) {
  const auto environment = must(Environment::open(settings(directory)));
  auto txn = must(Txn::begin_write(*environment));
  {
    auto cursor = must(Cursor::open(txn, table));
    change(cursor);
  }
  must(txn.commit());
}

inline void erase(const TempDir& directory, Table table, const RowKey& key) {
  damage(directory, table, [&](Cursor& cursor) {
    REQUIRE(must(cursor.seek(key.view())));
    must(cursor.erase());
  });
}

// Puts a record with a sound frame.
inline void put(const TempDir& directory, Table table, std::string_view key, std::string_view payload) {
  damage(directory, table, [&](Cursor& cursor) {
    std::string record;
    begin_frame(record);
    record += payload;
    seal(table, key, record);
    must(cursor.put(key, record));
  });
}

inline void put_row(const TempDir& directory, RecipientRef ref,
                    const std::function<void(QueueRecord&)>& change) {
  QueueRecord row;
  row.since = at(static_cast<std::int64_t>(ref.message.time().time_since_epoch().count() / 1000));
  row.due = row.since;
  const std::string domain = "d" + std::to_string(ref.index % 3) + ".example.net";
  row.domain = domain;
  row.account = "acme";
  change(row);
  std::string payload;
  encode_queue(row, payload);
  put(directory, Table::queue, RowKey::recipient(ref).view(), payload);
}

inline void put_event(const TempDir& directory, RecipientRef ref, std::uint32_t number, EventType type,
                      Status status, std::uint32_t attempts) {
  std::string payload;
  encode_event(event(type, 300), status, attempts, payload);
  put(directory, Table::events, RowKey::event(ref, number).view(), payload);
}

struct Checked {
  CheckReport report;
  std::vector<Fault> faults;
  // "kind table message recipient" of each, the message as its number.
  std::vector<std::string> lines() const {
    std::vector<std::string> all;
    for (const Fault& fault : faults) {
      std::string line(text(fault.kind));
      if (fault.table) line += " " + std::string(name(*fault.table));
      if (fault.message)
        line += " " + std::to_string(fault.message->time().time_since_epoch().count() / 1000);
      if (fault.recipient) line += "." + std::to_string(*fault.recipient);
      all.push_back(line);
    }
    return all;
  }
};

inline Checked check(const TempDir& directory) {
  Checked checked;
  const auto file = must(SpoolFile::open(directory.spool()));
  checked.report = must(check_spool(
      *file, {}, [&](Fault fault) { checked.faults.push_back(std::move(fault)); },
      [](std::uint64_t, std::uint64_t) {}));
  CHECK(checked.report.faults == checked.faults.size());
  for (const Fault& fault : checked.faults) {
    CHECK_FALSE(fault.what.empty());
    CHECK_FALSE(fault.means.empty());
  }
  return checked;
}

using Lines = std::vector<std::string>;

}  // namespace relay::spool::test
