// What the disk and LMDB can do at all, to hold the spool's figures against.
#pragma once
#include <cstddef>
#include <memory>
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

// LMDB with one value a message, under keys as the spool's, its blocks taken ahead of need as the spool does.
// One thread.
enum class Keep { all, turnover };  // turnover: a commit erases what the one before has put
class RawLmdb {
 public:
  explicit RawLmdb(const std::string& directory);  // emptied first
  ~RawLmdb();
  RawLmdb(const RawLmdb&) = delete;
  RawLmdb& operator=(const RawLmdb&) = delete;
  double commit(Keep keep, std::size_t value_bytes, std::size_t batch);  // seconds

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

Slice raw_lmdb(const Place& place, Keep keep, std::size_t value_bytes, std::size_t batch);

}  // namespace relay::bench
