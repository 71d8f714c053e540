#include "mta/base/rng.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "mta/base/result.h"

namespace relay {

std::uint64_t Rng::next() {
  std::array<std::uint8_t, 8> bytes{};
  fill(bytes);
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data(), bytes.size());
  return value;
}

std::uint64_t Rng::below(std::uint64_t bound) {
  RELAY_ASSERT(bound > 0);
  // Values under the remainder of 2^64 by bound would make small results likelier: draw again.
  const std::uint64_t uneven = (0 - bound) % bound;
  std::uint64_t value = next();
  while (value < uneven) value = next();
  return value % bound;
}

double Rng::unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

void SystemRng::fill(std::span<std::uint8_t> out) {
  // Ids and keys must not repeat: without randomness the process cannot go on.
  RELAY_ASSERT(RAND_bytes(out.data(), static_cast<int>(out.size())) == 1);
}

void SeededRng::fill(std::span<std::uint8_t> out) {
  for (std::size_t at = 0; at < out.size(); at += 8) {
    // splitmix64: one addition and a bijective mix a step
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    std::memcpy(out.data() + at, &z, std::min<std::size_t>(8, out.size() - at));
  }
}

}  // namespace relay
