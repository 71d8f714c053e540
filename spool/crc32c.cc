#include "spool/crc32c.h"

#include <array>
#include <bit>
#include <cstring>

namespace relay::spool {
namespace {

constexpr std::uint32_t polynomial = 0x82f63b78;  // bits reversed

// Table k gives what a byte contributes when k more bytes follow it, so that eight bytes take eight look-ups
// that do not wait for each other.
constexpr std::array<std::array<std::uint32_t, 256>, 8> make_tables() {
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? polynomial : 0);
    tables[0][byte] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k)
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = tables[k - 1][byte];
      tables[k][byte] = before >> 8 ^ tables[0][before & 0xff];
    }
  return tables;
}

constexpr auto tables = make_tables();

std::uint64_t load_little_endian(const char* from) {
  std::uint64_t word = 0;
  std::memcpy(&word, from, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

using Checksum = std::uint32_t (*)(std::uint32_t, std::string_view);

#if defined(__x86_64__)
// SSE 4.2 has an instruction for just this polynomial.
[[gnu::target("sse4.2")]] std::uint32_t crc32c_sse42(std::uint32_t crc, std::string_view bytes) {
  std::uint64_t state = ~crc;
  const char* p = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; p += 8, left -= 8) state = __builtin_ia32_crc32di(state, load_little_endian(p));
  auto last = static_cast<std::uint32_t>(state);
  for (; left > 0; ++p, --left) last = __builtin_ia32_crc32qi(last, static_cast<std::uint8_t>(*p));
  return ~last;
}

Checksum fastest() { return __builtin_cpu_supports("sse4.2") ? crc32c_sse42 : crc32c_portable; }
#else
Checksum fastest() { return crc32c_portable; }
#endif

}  // namespace

std::uint32_t crc32c(std::uint32_t crc, std::string_view bytes) {
  static const Checksum checksum = fastest();
  return checksum(crc, bytes);
}

std::uint32_t crc32c_portable(std::uint32_t crc, std::string_view bytes) {
  crc = ~crc;
  const char* p = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; p += 8, left -= 8) {
    const std::uint64_t word = load_little_endian(p) ^ crc;
    crc = 0;
    for (std::size_t k = 0; k < 8; ++k) crc ^= tables[7 - k][word >> (8 * k) & 0xff];
  }
  for (; left > 0; ++p, --left) crc = crc >> 8 ^ tables[0][(crc ^ static_cast<std::uint8_t>(*p)) & 0xff];
  return ~crc;
}

}  // namespace relay::spool
