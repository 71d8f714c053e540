#include "spool/codec.h"

#include "spool/crc32c.h"

namespace relay::spool {
namespace {

std::uint32_t checksum(Table table, std::uint8_t version, std::string_view key, std::string_view payload) {
  const char head[2] = {static_cast<char>(table), static_cast<char>(version)};
  return crc32c(crc32c(crc32c(0, {head, 2}), key), payload);
}

}  // namespace

std::string_view name(Table table) {
  switch (table) {
    case Table::meta: return "meta";
    case Table::messages: return "messages";
    case Table::rest: return "rest";
    case Table::bodies: return "bodies";
    case Table::queue: return "queue";
    case Table::events: return "events";
    case Table::keys: return "keys";
    case Table::accounts: return "accounts";
    case Table::usage: return "usage";
    case Table::idempotency: return "idempotency";
  }
  return "unknown";
}

void Sink::count(std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) u8(static_cast<std::uint8_t>(value | 0x80));
  u8(static_cast<std::uint8_t>(value));
}

void Sink::text(std::string_view value) {
  count(value.size());
  out_.append(value);
}

std::uint64_t Source::fixed(std::size_t bytes) {
  if (left_.size() < bytes) {
    spoil();
    return 0;
  }
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i)
    value |= std::uint64_t{static_cast<std::uint8_t>(left_[i])} << (8 * i);
  left_.remove_prefix(bytes);
  return value;
}

std::uint64_t Source::count() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const std::uint8_t byte = u8();
    if (!ok_) return 0;
    const std::uint64_t bits = byte & 0x7f;
    if (shift == 63 && bits > 1) break;
    value |= bits << shift;
    if ((byte & 0x80) == 0) return value;
  }
  spoil();
  return 0;
}

std::string_view Source::text() {
  const std::uint64_t size = count();
  if (size > left_.size()) {
    spoil();
    return {};
  }
  const std::string_view value = left_.substr(0, size);
  left_.remove_prefix(value.size());
  return value;
}

bool Source::flag() {
  const std::uint8_t byte = u8();
  if (byte > 1) spoil();
  return byte == 1;
}

std::size_t Source::items() {
  const std::uint64_t number = count();
  if (number > left_.size()) {
    spoil();
    return 0;
  }
  return number;
}

void begin_frame(std::string& record) { record.assign(frame_bytes, '\0'); }

void seal(Table table, std::string_view key, char* frame, std::size_t payload) {
  const std::uint8_t version = record_version(table);
  const std::uint32_t crc = checksum(table, version, key, {frame + frame_bytes, payload});
  frame[0] = static_cast<char>(version);
  for (int i = 0; i < 4; ++i) frame[1 + i] = static_cast<char>(crc >> (8 * i) & 0xff);
}

void seal(Table table, std::string_view key, std::string& record) {
  seal(table, key, record.data(), record.size() - frame_bytes);
}

std::optional<Payload> open_frame(Table table, std::string_view key, std::string_view record) {
  if (record.size() < frame_bytes) return std::nullopt;
  Source head(record.substr(0, frame_bytes));
  const std::uint8_t version = head.u8();
  const std::uint32_t crc = head.u32();
  const std::string_view payload = record.substr(frame_bytes);
  if (version < 1 || version > record_version(table)) return std::nullopt;
  if (crc != checksum(table, version, key, payload)) return std::nullopt;
  return Payload{payload, version};
}

}  // namespace relay::spool
