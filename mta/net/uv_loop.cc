#include "mta/net/uv_loop.h"

#include <pthread.h>
#include <signal.h>
#include <uv.h>

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include "mta/base/result.h"
#include "mta/base/timer_wheel.h"

namespace relay::net {
namespace {

// A write to a connection that the peer has reset must be an error, not the end of the process. Blocked for
// this thread only, since the disposition of the whole process is not a library's to change.
void block_sigpipe() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace

struct UvLoop::Impl {
  uv_loop_t loop{};
  uv_async_t wake{};
  uv_timer_t timer{};
  TimerWheel wheel{Instant{}};
  Instant armed = never;  // when `timer` is to fire
  bool running = false;
  bool stopping = false;

  std::mutex mutex;
  std::vector<Task> posted;  // under the mutex
  std::vector<Task> taken;

  Impl() {
    RELAY_ASSERT(uv_loop_init(&loop) == 0);
    RELAY_ASSERT(uv_async_init(&loop, &wake, [](uv_async_t* h) { of(h).run_posted(); }) == 0);
    RELAY_ASSERT(uv_timer_init(&loop, &timer) == 0);
    wake.data = timer.data = this;
    uv_unref(reinterpret_cast<uv_handle_t*>(&timer));  // timers alone do not keep run() going; `wake` does
  }
  ~Impl() {
    uv_close(reinterpret_cast<uv_handle_t*>(&wake), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&timer), nullptr);
    while (uv_run(&loop, UV_RUN_NOWAIT) != 0 && !only_foreign_handles()) {
    }
    RELAY_ASSERT(uv_loop_close(&loop) == 0);  // whoever holds sockets closes them first
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  template <class Handle>
  static Impl& of(Handle* h) {
    return *static_cast<Impl*>(h->data);
  }

  Instant now() {
    if (!running) uv_update_time(&loop);  // else libuv has read it once this turn
    return Instant(std::chrono::milliseconds(static_cast<std::int64_t>(uv_now(&loop))));
  }

  // True if nothing is closing any more: then what keeps the loop alive was left open by its owner.
  bool only_foreign_handles() {
    bool closing = false;
    uv_walk(
        &loop,
        [](uv_handle_t* h, void* found) {
          if (uv_is_closing(h)) *static_cast<bool*>(found) = true;
        },
        &closing);
    return !closing;
  }

  bool run_posted() {
    {
      std::lock_guard lock(mutex);
      taken.swap(posted);
    }
    const bool any = !taken.empty();
    for (auto& task : taken) task();
    taken.clear();
    return any;
  }

  // The one timer is armed for the earliest; moved forward when an earlier one comes, and only when it fires
  // moved back.
  void arm(Instant when) {
    if (when >= armed) return;
    armed = when;
    const Duration wait = std::max(when - now(), Duration::zero());
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
    uv_timer_start(&timer, [](uv_timer_t* h) { of(h).on_timer(); }, static_cast<std::uint64_t>(ms), 0);
  }

  void on_timer() {
    armed = never;
    wheel.advance(now());
    arm(wheel.next());
  }
};

UvLoop::UvLoop() : impl_(std::make_unique<Impl>()) {}
UvLoop::~UvLoop() = default;

void UvLoop::post(Task task) {
  bool first = false;
  {
    std::lock_guard lock(impl_->mutex);
    first = impl_->posted.empty();
    impl_->posted.push_back(std::move(task));
  }
  if (first) uv_async_send(&impl_->wake);
}

Instant UvLoop::now() const { return impl_->now(); }
WallTime UvLoop::wall() const { return system_wall(); }

TimerId UvLoop::at(Instant when, Task task) {
  const TimerId id = impl_->wheel.add(when, std::move(task));
  impl_->arm(impl_->wheel.next());
  return id;
}

void UvLoop::cancel(TimerId id) { impl_->wheel.cancel(id); }

void UvLoop::run() {
  block_sigpipe();
  impl_->running = true;
  do uv_run(&impl_->loop, UV_RUN_DEFAULT);
  while (impl_->run_posted());
  impl_->running = false;
}

void UvLoop::stop() {
  // Handles that are still open keep the loop turning, with posts and timers working, until they are closed.
  post([this] {
    if (std::exchange(impl_->stopping, true)) return;
    uv_unref(reinterpret_cast<uv_handle_t*>(&impl_->wake));
  });
}

uv_loop_s* UvLoop::raw() { return &impl_->loop; }

}  // namespace relay::net
