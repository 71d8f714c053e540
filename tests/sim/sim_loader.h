// SimLoader: the loader on the virtual clock. Each read takes its time, by default a millisecond, and may
// fail; what is read is what the store has when the time is over.
#pragma once
#include <functional>

#include "spool/loader.h"
#include "tests/sim/sim_loop.h"

namespace relay::sim {

class SimLoader final : public spool::Loader {
 public:
  struct Act {
    Duration pause = std::chrono::milliseconds(1);
    bool fail = false;
  };

  SimLoader(SimLoop& loop, const spool::Store& store) : loop_(loop), store_(store) {}
  void load(MessageId id, std::uint64_t at_most, Executor& home, Loaded done) override {
    const Act how = act ? act(++loads_) : (++loads_, Act{});
    loop_.after(how.pause, [this, id, at_most, &home, how, done = std::move(done)]() mutable {
      Result<spool::MessagePtr> loaded = fail(Errc::system, "the disk did not answer");
      if (!how.fail) loaded = store_.load(id, at_most);
      home.post([loaded = std::move(loaded), done = std::move(done)]() mutable { done(std::move(loaded)); });
    });
  }

  void list_queue(spool::QueueQuery query, Executor& home, Listed done) override {
    home.post([rows = store_.list_queue(query), done = std::move(done)]() mutable { done(std::move(rows)); });
  }

  // Answers for each load, by its number from 1.
  std::function<Act(std::uint64_t)> act;
  std::uint64_t loads() const { return loads_; }

 private:
  SimLoop& loop_;
  const spool::Store& store_;
  std::uint64_t loads_ = 0;
};

}  // namespace relay::sim
