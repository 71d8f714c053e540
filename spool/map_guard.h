// MapGuard: a fault while LMDB works on its map becomes an answer instead of the end of the process.
//
// LMDB reads its file through a map and trusts what it finds. A sector that cannot be read, or a file cut
// short under it, raises SIGBUS; pages that make no sense can lead it to SIGSEGV, or to a failed assertion of
// its own, after which it aborts. guarded() runs one call of LMDB and comes back from there (sigsetjmp).
//
// What that is worth: while LMDB only reads, all it has changed is the cursor, so the transaction can be
// given up and the next begun. A fault amid a change leaves LMDB's own lists and lock as they were at that
// moment: nothing may be asked of the environment's writer any more, and the transaction must not even be
// aborted. The last commit on the disk is whole all the same. It does not protect from pages that lead LMDB
// to write past its own buffers before it faults; those are looked for before (SoundPaths).
//
// The call must be plain: no object with a destructor may be made inside, no lock taken that C++ code waits
// for, no other code of ours run. Signals belong to the process: install() takes SIGBUS and SIGSEGV, and a
// fault outside of guarded() goes to whoever had them before, so that a bug of ours still ends the process
// with a core. Any thread.
#pragma once
#include <csetjmp>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace relay::spool {

class MapGuard {
 public:
  enum class Fault { none, unreadable, wild, assertion };  // SIGBUS, SIGSEGV, mdb_env_set_assert
  static void install();
  // For mdb_env_set_assert: leaves guarded(), or returns if none is active.
  static void assertion_failed();

  template <class Call>
  static Fault guarded(Call call) {
    static_assert(std::is_trivially_destructible_v<Call>);
    Frame frame{};
    frame.outer = active();
    if (sigsetjmp(frame.jump, keeps_mask) == 0) {
      active() = &frame;
      call();
      active() = frame.outer;
      return Fault::none;
    }
    active() = frame.outer;
    return frame.fault;
  }

 private:
  // The handlers block nothing, so there is nothing to be kept; under ThreadSanitizer, which puts its own
  // before them, all signals are blocked in them.
#ifdef __SANITIZE_THREAD__
  static constexpr int keeps_mask = 1;
#else
  static constexpr int keeps_mask = 0;
#endif
  struct Frame {
    sigjmp_buf jump;
    Frame* outer;
    volatile Fault fault;
  };
  static Frame*& active();
  static void leave(Fault fault);
  friend struct MapGuardSignals;
};

// "a page of the spool could not be read from the disk"
std::string_view text(MapGuard::Fault fault);

}  // namespace relay::spool
