// InFlight: the ledger of attempts under way, on file, so that a start after a crash can tell which
// deliveries it may repeat.
//
// begin() notes a recipient just before the end of its message is handed to a host: from then on the host may
// have it. settle() strikes it out once the store has the outcome, or once the host has said that it does not
// have the message. What a start finds in the file was cut off between the two. The file lies beside the
// store and survives the process, however that ends. It is never synced, so that no delivery waits for a
// disk; after a crash of the machine it is what the disk happens to have, and the count is a best effort.
// Its bytes are allocated when it is made. It is written by pwrite() and not through a mapping, as a disk
// that refuses to be written to is then an error here and not a SIGBUS.
//
// The ledger stops nobody: without a file, without a free place, or after a failed write an attempt goes on
// and is counted as uncovered. Any thread may call begin(), settle() and stats(); each takes a short lock and
// one write for each run of neighbouring places. Format: spool/FORMAT.md.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "spool/types.h"

namespace relay::spool {

struct InFlightSettings {
  // Recipients noted at once: those on connections, and outcomes the store does not have yet (which are
  // bounded too). 32 bytes each. More are delivered all the same, uncovered.
  std::uint32_t places = 65536;
};

struct InFlightStats {
  std::uint64_t noted = 0;      // places taken now
  std::uint64_t uncovered = 0;  // attempts that were not noted, since start
};

class InFlight {
 public:
  // Opens or makes `directory`/inflight; the caller has the spool locked. Never fails: what is wrong is
  // logged, and without a file everything is uncovered.
  InFlight(const std::string& directory, const InFlightSettings& settings);
  ~InFlight();
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

  struct Attempt {
    RecipientRef ref;
    std::uint32_t before = 0;  // attempts the recipient had when this one began
  };
  // What the process before left, by recipient; one recipient may be there several times. Known from the
  // start; its places stay taken until forget_left().
  const std::vector<Attempt>& left() const;
  void forget_left();

  // A ticket for each, in order; 0: not noted.
  std::vector<Ticket> begin(std::span<const Attempt> attempts);
  void settle(std::span<const Ticket> tickets);  // each once; zeros are skipped
  InFlightStats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace relay::spool
