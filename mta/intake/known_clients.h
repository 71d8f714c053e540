// KnownClients: which clients have lately authenticated for which account, over restarts too.
//
// A pair of account and client is kept as a digest with the time of its last success, at most `most` pairs;
// the one whose success is the oldest gives way. With a file a new pair is appended to it at once, one short
// write that is never synced: a crash of the process loses nothing, one of the machine the last few seconds.
// A known pair is written again once an eighth of its time has gone by, so that a busy client costs no write.
// At the start, and when it has twice as many lines as there may be pairs, the file is written anew and put
// in the old one's place; so it has no more than 5 MB for 50,000 pairs.
//
// The file stops nobody: what cannot be read in it is passed over, and if it cannot be written the log says
// so once and what is known is in memory alone until it can, which is tried again once a minute.
//
// The file: lines of 32 hexadecimal digits (the first half of SHA-256 of account, line feed, client), a blank
// and seconds since 1970; a later line counts. Mode 0600. One process's, who has the directory locked. Not
// thread-safe.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "mta/base/clock.h"
#include "mta/intake/bounded_map.h"

namespace relay::intake {

class KnownClients {
 public:
  // `file`: empty for none. A success counts for `lasting`.
  KnownClients(std::string file, std::uint32_t most, Duration lasting, WallTime now);
  ~KnownClients();
  KnownClients(const KnownClients&) = delete;
  KnownClients& operator=(const KnownClients&) = delete;

  void succeeded(std::string_view account, std::string_view client, WallTime now);
  bool knows(std::string_view account, std::string_view client, WallTime now);

 private:
  struct Success {
    WallTime last, written;
  };
  void read(WallTime now);
  Success& put(std::string_view pair, WallTime now);
  void write(const std::string& pair, WallTime now);
  bool write_anew();
  void failed(const char* what);

  const std::string file_;
  const std::uint32_t most_;
  const Duration lasting_;
  BoundedMap<Success> pairs_;  // by digest
  int fd_ = -1;                // appended to; -1: there is none
  std::uint64_t lines_ = 0;    // in the file
  WallTime try_again_;         // with fd_ -1
  bool told_ = false;          // that it cannot be written
};

}  // namespace relay::intake
