// CRC-32C (Castagnoli, as in RFC 3720 12.1) of stored records: it finds every damaged byte and every burst of
// up to 32 bits. With the processor's instruction for it where it has one. Pure; any thread.
#pragma once
#include <cstdint>
#include <string_view>

namespace relay::spool {

// Continues `crc`, which is 0 at the start: crc32c(crc32c(0, a), b) is the checksum of a and b together.
std::uint32_t crc32c(std::uint32_t crc, std::string_view bytes);

// The same on any processor.
std::uint32_t crc32c_portable(std::uint32_t crc, std::string_view bytes);

}  // namespace relay::spool
