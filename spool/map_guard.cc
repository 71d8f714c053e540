#include "spool/map_guard.h"

#include <csignal>
#include <cstdlib>
#include <mutex>

namespace relay::spool {

// Their handlers are C functions; what was there before is called when no guard is active.
struct MapGuardSignals {
  struct sigaction before_bus{}, before_segv{};

  static MapGuardSignals& all() {
    static MapGuardSignals signals;
    return signals;
  }

  static void handle(int number, siginfo_t* info, void* context) {
    // A signal sent by somebody is no fault, and one without a guard is a bug.
    if (info->si_code > 0 && MapGuard::active() != nullptr)
      MapGuard::leave(number == SIGBUS ? MapGuard::Fault::unreadable : MapGuard::Fault::wild);
    const struct sigaction& before = number == SIGBUS ? all().before_bus : all().before_segv;
    if ((before.sa_flags & SA_SIGINFO) != 0) return before.sa_sigaction(number, info, context);
    if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) return before.sa_handler(number);
    ::sigaction(number, &before, nullptr);
    if (info->si_code <= 0) ::raise(number);  // else the faulting instruction runs again
  }

  // Unless they are ours already; a test's frame may have taken them back.
  void take(int number, struct sigaction& before) {
    struct sigaction now{};
    ::sigaction(number, nullptr, &now);
    if ((now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == &handle) return;
    struct sigaction ours{};
    ours.sa_sigaction = &handle;
    // Not blocked meanwhile: the handler is left by a jump that keeps the mask.
    ours.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
    sigemptyset(&ours.sa_mask);
    ::sigaction(number, &ours, &before);
  }
};

MapGuard::Frame*& MapGuard::active() {
  thread_local Frame* frame = nullptr;
  return frame;
}

void MapGuard::install() {
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  MapGuardSignals& signals = MapGuardSignals::all();
  signals.take(SIGBUS, signals.before_bus);
  signals.take(SIGSEGV, signals.before_segv);
}

void MapGuard::leave(Fault fault) {
  Frame* frame = active();
  frame->fault = fault;
  siglongjmp(frame->jump, 1);
}

void MapGuard::assertion_failed() {
  if (active() != nullptr) leave(Fault::assertion);
}

std::string_view text(MapGuard::Fault fault) {
  switch (fault) {
    case MapGuard::Fault::none: return "nothing";
    case MapGuard::Fault::unreadable: return "a page of the spool could not be read from the disk";
    case MapGuard::Fault::wild: return "a damaged page of the spool has led LMDB astray";
    case MapGuard::Fault::assertion: return "a damaged page of the spool has stopped LMDB";
  }
  return "unknown";
}

}  // namespace relay::spool
