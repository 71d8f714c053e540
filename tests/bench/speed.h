// The spool's speed: Store::apply with batches of one size, and ThreadWriter with many who wait.
#pragma once
#include "spool/lmdb.h"
#include "tests/bench/raw.h"

namespace relay::bench {

// `accept` alone; or also the outcome of each message, in the commit after (apply) or when it comes (writer).
enum class Work { accept, accept_and_outcome };

struct Size {
  std::size_t body_bytes = 4096;
  std::size_t batch = 1;
};

Slice store_speed(const Place& place, spool::Durability durability, Work work, Size size);
Slice writer_speed(const Place& place, spool::Durability durability, Work work, Size size);

}  // namespace relay::bench
