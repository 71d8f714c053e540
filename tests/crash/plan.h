// Plan: which call of a process is to go wrong, and how. The fault shim (shim.cc) follows one.
//
// A plan is a text file of lines
//     CALL N ACTION [TIMES]
// CALL: write (pages of data), meta (LMDB's two meta pages), sync, allocate, or any. N: which call of that
// kind, from 1, counted from when the plan was put there. TIMES: how many calls from the N-th on; "always"
// for all; 1 unless given. ACTION:
//     kill         SIGKILL instead of the call
//     kill-torn    SIGKILL after half of what is to be written
//     kill-after   SIGKILL after the call
//     EIO ENOSPC EDQUOT EROFS   the call fails and does nothing
//     short        half is written, as a disk does that becomes full; other calls fail with ENOSPC
//     EIO-after    the call is done and fails all the same, as a write that was to be synced does
//     delay=MS     the call is late
// The first line that applies counts. A plan is read anew when its file is replaced, and ends with its file.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace relay::crash {

enum class Call : std::uint8_t { write, meta, sync, allocate };
constexpr std::size_t call_kinds = 4;

enum class Act : std::uint8_t { none, kill, kill_torn, kill_after, fail, shorten, fail_after, delay };

struct Decision {
  Act act = Act::none;
  int code = 0;                // errno, of fail and fail_after
  std::uint32_t delay_ms = 0;  // of delay
};

struct Rule {
  bool any = false;
  Call call = Call::write;  // unless any
  std::uint64_t from = 1;
  std::uint64_t until = 1;  // the last call it applies to
  Decision decision;
};

class Plan {
 public:
  // False: a line says something else than the above.
  bool parse(std::string_view text);
  // Of the next call of that kind.
  Decision next(Call call);

 private:
  std::vector<Rule> rules_;
  std::array<std::uint64_t, call_kinds> seen_{};
};

// What a shim's file of counts has in it: how many calls so far, by kind, since the process began, and how
// many of them were interfered with. Native byte order; good after a SIGKILL.
struct Counts {
  std::array<std::uint64_t, call_kinds> calls{};
  std::uint64_t interfered = 0;
};

}  // namespace relay::crash
