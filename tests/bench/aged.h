// Files that have been through something: scattered free pages, and a map at its limit.
#pragma once
#include <cstdint>

#include "tests/bench/raw.h"

namespace relay::bench {

struct AgedSettings {
  std::uint64_t gigabytes = 2;   // GiB: of mail to fill the file with; of the map, for full_run
  std::uint64_t body_bytes = 0;  // of the mail to fill with; 0: mixed
  int rounds = 5;
};

// Fills one spool with mixed mail, delivers a random half of it, and then compares accepting and delivering
// more in it with the same in a fresh one.
void fragmented_run(const Place& place, const AgedSettings& settings);

// Fills a spool to its limit, delivers a random half, and fills it again: how long commits take, and
// refusals.
void full_run(const Place& place, const AgedSettings& settings);

}  // namespace relay::bench
