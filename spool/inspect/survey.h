// survey: what is in a spool, counted: its file, its tables, its queue.
//
// The queue is read in slices, each a view of its own, so that the relay may run; the rest is one view.
#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "spool/inspect/spool_file.h"
#include "spool/types.h"

namespace relay::spool {

// Open recipients by how long ago they were accepted; the last group has no bound.
inline constexpr std::array age_bounds = {std::chrono::minutes(5), std::chrono::minutes(60),
                                          std::chrono::minutes(4 * 60), std::chrono::minutes(24 * 60),
                                          std::chrono::minutes(3 * 24 * 60)};
inline constexpr std::array age_names = {"5m", "1h", "4h", "1d", "3d", "older"};

struct Survey {
  std::uint64_t file_bytes = 0, page_bytes = 0, map_bytes = 0, commit = 0;
  std::uint64_t pages = 0, free_pages = 0;  // up to the last in use
  // Free pages that lie in a row, and the longest such row: a value that takes several pages needs one.
  std::uint64_t free_runs = 0, longest_free_run = 0;
  struct TableSize {
    std::string name;
    std::uint64_t rows = 0, pages = 0;
  };
  std::vector<TableSize> tables;
  struct Reader {
    std::uint64_t process = 0;
    std::optional<std::uint64_t> commit;  // that it reads at the moment
  };
  std::vector<Reader> readers;

  using Ages = std::array<std::uint64_t, age_names.size()>;
  Ages queued{}, held{};
  std::uint64_t due = 0;         // queued, and their next attempt's time has come
  std::uint64_t untried = 0;     // queued, without an attempt
  std::uint64_t unreadable = 0;  // rows of the queue
  struct Oldest {
    MessageId message;
    WallTime accepted;
  };
  std::optional<Oldest> oldest;
  struct Domain {
    std::uint64_t queued = 0, held = 0;
    WallTime oldest;
  };
  std::map<std::string, Domain> domains;
  std::uint64_t open() const;
};

Result<Survey> survey(SpoolFile& file, WallTime now);

}  // namespace relay::spool
