// KnownClients: which clients have lately authenticated for which account, over restarts too.
//
// A pair of account and client is kept as a digest with the time of its last success, at most `most` pairs;
// the one whose success came first gives way. With a file (KnownFile) a new pair is noted there at once, and
// a known one again once an eighth of its time has gone by, so that a busy client costs no write.
//
// A clock that is wrong costs those who authenticate meanwhile, until they do it again, and nobody else:
// times are judged when somebody asks, and neither forgotten nor changed when they are read. A time to come,
// of a clock that was ahead then or is behind now, counts as now, and the next success puts it right; the log
// says at the start if there are such.
//
// No I/O but the reading at the start. Not thread-safe.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mta/base/loop.h"
#include "mta/intake/bounded_map.h"
#include "mta/intake/known_file.h"

namespace relay::intake {

class KnownClients {
 public:
  // `file`: empty for none; `files`: what writes it, which runs nothing more of this when it ends. A success
  // counts for `lasting`. `now` is the time of the start.
  KnownClients(std::string file, std::uint32_t most, Duration lasting, WallTime now, Executor& files);

  // `tick` is the time of a clock that nobody sets.
  void succeeded(std::string_view account, std::string_view client, WallTime now, Instant tick);
  bool knows(std::string_view account, std::string_view client, WallTime now);

 private:
  struct Success {
    WallTime last;
    std::optional<WallTime> noted;  // in the file
  };
  Success& put(std::string_view pair, WallTime at);

  const std::uint32_t most_;
  const Duration lasting_;
  BoundedMap<Success> pairs_;  // by digest
  std::optional<KnownFile> file_;
};

}  // namespace relay::intake
