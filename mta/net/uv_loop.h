// UvLoop: a Loop on libuv. One thread calls run(); post() may come from anywhere.
//
// Timers live in a wheel with one uv_timer armed for the earliest; wakes by one uv_async. now() is read once
// a turn. run() returns after stop() once no handle is left; whoever holds sockets closes them first.
#pragma once
#include <memory>

#include "mta/base/loop.h"

struct uv_loop_s;

namespace relay::net {

class UvLoop final : public Loop {
 public:
  UvLoop();
  ~UvLoop() override;
  void post(Task task) override;
  Instant now() const override;
  WallTime wall() const override;
  TimerId at(Instant when, Task task) override;
  void cancel(TimerId id) override;

  void run();
  void stop();  // any thread
  uv_loop_s* raw();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace relay::net
