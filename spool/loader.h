// Loader: the reads that may take long, away from the loops: a message with its content, which may be large,
// and lists of the queue, which may go through all of it. Even out of memory these take tens of milliseconds,
// and any may wait for the disk: no loop may stand still for that.
//
// Both may be called from any thread; the answer is the Store's, posted to `home`, never given inside the
// call. The line of requests has no bound of its own: each connection waits for at most one, and the queue
// bounds the bytes asked for (queue::Bodies). In simulation tests/sim's loader implements the same interface
// on the virtual clock.
#pragma once
#include <functional>
#include <memory>

#include "mta/base/loop.h"
#include "spool/store.h"

namespace relay::spool {

class Loader {
 public:
  using Loaded = std::move_only_function<void(Result<MessagePtr>)>;
  virtual ~Loader() = default;
  // `home` must stay alive until `done` has run, or this loader has gone.
  virtual void load(MessageId id, std::uint64_t at_most, Executor& home, Loaded done) = 0;
  using Listed = std::move_only_function<void(Result<std::vector<QueueRow>>)>;
  virtual void list_queue(QueueQuery query, Executor& home, Listed done) = 0;
};

struct LoaderSettings {
  // Reads beside each other. They are for a disk that lets them wait, so more than processors; few, since
  // each holds a slot of LMDB's table of readers and what is in memory one thread reads at gigabytes a
  // second.
  std::uint32_t threads = 4;
};

// First come, first served, by a fixed number of threads. The destructor lets the reads under way end and
// joins; what stands in line then is not answered.
class ThreadLoader final : public Loader {
 public:
  ThreadLoader(const Store& store, LoaderSettings settings);  // the store must outlive it
  ~ThreadLoader() override;
  void load(MessageId id, std::uint64_t at_most, Executor& home, Loaded done) override;
  void list_queue(QueueQuery query, Executor& home, Listed done) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Reads inside load() and posts the answer: for programs and tests without threads.
class PostingLoader final : public Loader {
 public:
  explicit PostingLoader(const Store& store) : store_(store) {}  // the store must outlive it
  void load(MessageId id, std::uint64_t at_most, Executor& home, Loaded done) override;
  void list_queue(QueueQuery query, Executor& home, Listed done) override;

 private:
  const Store& store_;
};

}  // namespace relay::spool
