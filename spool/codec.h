// Codec: how values become bytes of a record and back. Knows no record; see spool/records.h.
//
// Integers are fixed and little-endian, or a count (LEB128) where they are mostly small; text is its count of
// bytes, then the bytes. Source never reads past its end: the first impossible value makes it not ok() and
// everything after it reads as zero. Each record stands in a frame: version, CRC-32C, payload. The checksum
// covers the table and the key too, so a record that lies under another's key is found. Pure; any thread.
#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mta/base/clock.h"

namespace relay::spool {

// The tables of the spool; the number is part of each checksum.
enum class Table : std::uint8_t {
  meta = 1,
  messages = 2,
  rest = 3,
  bodies = 4,
  queue = 5,
  events = 6,
  keys = 7,
  accounts = 8,
  usage = 9,
  idempotency = 10,
};
inline constexpr std::array all_tables = {Table::meta,  Table::messages,   Table::rest, Table::bodies,
                                          Table::queue, Table::events,     Table::keys, Table::accounts,
                                          Table::usage, Table::idempotency};
inline constexpr std::size_t table_numbers = 11;  // of arrays by Table
std::string_view name(Table table);
// The first format that has it: an older file is given it when it is opened for writing.
constexpr int since_format(Table table) { return table >= Table::usage ? 2 : 1; }

class Sink {
 public:
  explicit Sink(std::string& out) : out_(out) {}
  void u8(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void u32(std::uint32_t value) { fixed(value, 4); }
  void u64(std::uint64_t value) { fixed(value, 8); }
  void count(std::uint64_t value);
  void text(std::string_view value);
  void time(WallTime value) { u64(static_cast<std::uint64_t>(value.time_since_epoch().count())); }

 private:
  void fixed(std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out_.push_back(static_cast<char>(value >> (8 * i) & 0xff));
  }
  std::string& out_;
};

class Source {
 public:
  explicit Source(std::string_view bytes) : left_(bytes) {}
  std::uint8_t u8() { return static_cast<std::uint8_t>(fixed(1)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(fixed(4)); }
  std::uint64_t u64() { return fixed(8); }
  std::uint64_t count();
  std::string_view text();  // into the bytes given
  WallTime time() { return WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(u64()))); }
  bool flag();
  // A number of items that follow, each at least one byte long: never more than the bytes left.
  std::size_t items();
  bool ok() const { return ok_; }
  bool done() const { return ok_ && left_.empty(); }
  void spoil() { ok_ = false, left_ = {}; }

 private:
  std::uint64_t fixed(std::size_t bytes);
  std::string_view left_;
  bool ok_ = true;
};

// ---- frames ----
inline constexpr std::size_t frame_bytes = 5;  // version, checksum

// In which a table's records are written; those of every older version are read too.
constexpr std::uint8_t record_version(Table table) {
  return table == Table::messages || table == Table::keys || table == Table::queue ? 2 : 1;
}

// What a frame holds.
struct Payload {
  std::string_view bytes;
  std::uint8_t version = 1;  // of the record
  operator std::string_view() const { return bytes; }
};

// Empties `record` and leaves room for the frame; the payload is appended to it, then seal() closes it.
void begin_frame(std::string& record);
void seal(Table table, std::string_view key, std::string& record);
// The same in place: `frame` points to frame_bytes bytes before a payload of `payload` bytes.
void seal(Table table, std::string_view key, char* frame, std::size_t payload);
// Nothing if version or checksum are wrong.
std::optional<Payload> open_frame(Table table, std::string_view key, std::string_view record);

}  // namespace relay::spool
