// check_spool: everything about a spool that is not as spool/FORMAT.md says.
//
// Reads the whole file once, and the pages of its tables twice. Messages are checked in slices, each in a
// view of its own with all tables side by side, so that the relay may run and each slice is consistent in
// itself; what is accepted after the start is left out. The account of the pages needs one view for all
// (about a second for each GiB of table pages, bodies not counted); LMDB keeps what the relay frees meanwhile
// from reuse.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "spool/inspect/fault.h"
#include "spool/inspect/spool_file.h"

namespace relay::spool {

struct CheckOptions {
  bool pages = true;  // the account of the pages too
};

struct CheckReport {
  std::string created;  // as `meta` says
  std::uint64_t messages = 0, recipients = 0, open = 0, keys = 0;
  std::uint64_t records = 0, bytes = 0;  // rows read, and their size with contents
  std::uint64_t pages = 0, pages_used = 0, pages_free = 0;
  std::uint64_t faults = 0;
};

// Done and expected, in messages; the second is an estimate while the relay runs.
using OnProgress = std::function<void(std::uint64_t done, std::uint64_t of)>;

// An error means that the spool could not be checked, or not to its end.
Result<CheckReport> check_spool(SpoolFile& file, const CheckOptions& options, const FaultSink& fault,
                                const OnProgress& progress);

// Errc::invalid with a sentence if the spool has a format this program does not know.
Result<void> check_format(SpoolFile& file);

}  // namespace relay::spool
