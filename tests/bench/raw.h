// What the disk and LMDB can do at all, to hold the spool's figures against.
#pragma once
#include <cstddef>
#include <string>

#include "tests/bench/measure.h"

namespace relay::bench {

struct Place {
  std::string directory;  // the benchmark's own: emptied before each slice
  double seconds = 0.5;   // a slice
};

void empty(const Place& place);  // makes the directory anew

// 4 KiB and an fdatasync, at the end of a growing file or over and over at its beginning.
enum class Sync { append, overwrite };
Slice raw_sync(const Place& place, Sync how);

// Commits of `batch` values each, a body each, under keys as the spool's. `turnover` erases those of the
// commit before, as accept and outcome do.
enum class Keep { all, turnover };
Slice raw_lmdb(const Place& place, Keep keep, std::size_t value_bytes, std::size_t batch);

}  // namespace relay::bench
