// SoundPaths: the pages that LMDB will touch when it changes a row, looked at before it is let on them.
//
// LMDB copies pages it changes into buffers of its own by what their heads say, joins a leaf that has become
// too empty with its neighbour, and never asks whether a page makes sense: a damaged one would make it write
// past its buffers or lose sound rows. So the path from the root to a row's leaf is checked by its pages
// (kinds, bounds and order of all entries); for a look, which reads the row's value, also where the leaf's
// long values are, since LMDB gives up the whole transaction over one that is not in the file; for an erasure
// also the leaves and branches beside it. What has been found sound, and what this process has written, stays
// sound for it: a range of keys is looked at once. A range at the right end of a table, where new mail goes,
// is one range for good, so a busy writer pays for a look into a small map.
//
// Not synchronized: the writer's thread alone.
#pragma once
#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/result.h"
#include "spool/codec.h"
#include "spool/page_source.h"

namespace relay::spool {

class Environment;
class Txn;

class SoundPaths {
 public:
  enum class Use { look, put, erase };
  // Of the transaction the writer has begun: Errc::corrupt with a sentence if LMDB must not be let on the
  // key's place.
  Result<void> check(const Txn& txn, Table table, std::string_view key, Use use);
  // Whether the last check that failed met a page which the disk does not give, rather than damage.
  bool unreadable() const { return unreadable_; }
  // A leaf that LMDB has come to in its map, wherever it hangs.
  bool sound_leaf(const Environment& environment, PageNumber number);
  // Whether no row that begins with `prefix` can lie behind what is known to be sound from `key` on.
  bool ends(Table table, std::string_view key, std::string_view prefix) const;

 private:
  // Ranges of keys, from the key to the value or to the end.
  using Ranges = std::map<std::string, std::optional<std::string>, std::less<>>;
  struct Range {
    std::string first;
    std::optional<std::string> end;
  };
  struct Known {
    Ranges path;    // that have a sound path
    Ranges values;  // whose long values lie in the file, too
    Ranges beside;  // whose neighbours are sound, too
  };
  static bool covers(const Ranges& ranges, std::string_view key);
  static void add(Ranges& ranges, Range range);
  static Result<Range> walk(const PageSource& pages, Table table, const TreeRoot& root, std::string_view key,
                            Use use, bool& unreadable);

  std::array<Known, table_numbers> known_;  // by Table
  std::vector<bool> leaves_;                // by page: looked at alone, and sound
  bool unreadable_ = false;
};

}  // namespace relay::spool
