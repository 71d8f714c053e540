// A long life of a spool in short: hundreds of thousands of messages of very different sizes and life times,
// at a bounded number that live at once. What must stay flat is the file's size and the rate.
#pragma once
#include <cstdint>

#include "mta/base/body.h"
#include "spool/lmdb.h"
#include "tests/bench/raw.h"

namespace relay::bench {

struct MixedSettings {
  std::uint64_t messages = 300'000;
  std::uint64_t intervals = 15;      // rows of the table
  std::size_t waiting = 100;         // accepts under way at once
  double deferred = 0.2;             // share of recipients that are not delivered at once
  double life = 30'000;              // mean of their life, in messages accepted meanwhile; exponential
  std::uint64_t retention = 50'000;  // closed messages are purged when so many were accepted after them
  std::uint64_t seed = 1;
  spool::Durability durability = spool::Durability::sync;
};

// 1 KiB to 10 MiB, most of them small, the mean about 64 KiB: 70 % below 8 KiB, 0.1 % above 4 MiB.
BodyPtr mixed_body(Rng& rng);

// Prints a row for each interval as it ends, and at last what changed since the warm-up, the first third.
void mixed_run(const Place& place, const MixedSettings& settings);

}  // namespace relay::bench
