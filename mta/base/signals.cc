#include "mta/base/signals.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>

namespace relay {

Signals::Signals(OnSignal on_signal, OnHangup on_hangup)
    : on_signal_(std::move(on_signal)), on_hangup_(std::move(on_hangup)) {
  ::signal(SIGPIPE, SIG_IGN);
  // A shell starts background jobs with SIGINT ignored; an ignored signal would never reach the descriptor.
  ::signal(SIGINT, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  if (on_hangup_) {
    ::signal(SIGHUP, SIG_DFL);  // nohup has it ignored
    sigaddset(&set, SIGHUP);
  }
  RELAY_ASSERT(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  signals_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  wake_ = ::eventfd(0, EFD_CLOEXEC);
  RELAY_ASSERT(signals_ >= 0 && wake_ >= 0);
  thread_ = std::thread([this] { watch(); });
}

Signals::~Signals() {
  const std::uint64_t one = 1;
  RELAY_ASSERT(::write(wake_, &one, sizeof one) == sizeof one);
  thread_.join();
  ::close(signals_);
  ::close(wake_);
}

void Signals::watch() {
  int count = 0;
  while (true) {
    std::array<pollfd, 2> fds{pollfd{signals_, POLLIN, 0}, pollfd{wake_, POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), -1) < 0) continue;  // EINTR
    if (fds[1].revents != 0) return;
    signalfd_siginfo info{};
    if (::read(signals_, &info, sizeof info) != sizeof info) continue;
    if (info.ssi_signo == SIGHUP)
      on_hangup_();
    else
      on_signal_(static_cast<int>(info.ssi_signo), ++count);
  }
}

}  // namespace relay
