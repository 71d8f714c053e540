// A look into an LMDB file: how much of it is in use, and how scattered the free pages are.
#pragma once
#include <cstdint>
#include <string>

namespace relay::bench {

struct Look {
  std::uint64_t file_bytes = 0;    // its length
  std::uint64_t used_bytes = 0;    // up to the last page ever used
  std::uint64_t free_bytes = 0;    // of those, in free pages
  std::uint64_t longest_run = 0;   // of free pages in a row
  std::uint64_t runs = 0;          // of free pages
  std::uint64_t list_records = 0;  // of the list of free pages, and
  std::uint64_t list_bytes = 0;    // what they take
};

// Nobody may commit meanwhile.
Look look_at(const std::string& directory);

}  // namespace relay::bench
