#include "tests/bench/speed.h"

#include <future>
#include <memory>

#include "spool/writer.h"
#include "tests/bench/mail.h"

namespace relay::bench {

using namespace relay::spool;

Slice store_speed(const Place& place, Durability durability, Work work, Size size) {
  empty(place);
  const auto store = must(open_lmdb({.directory = place.directory, .durability = durability}));
  MailSource source(size.body_bytes);
  std::vector<MessageId> before;
  Slice slice;
  const auto start = Steady::now();
  while (since(start) < place.seconds) {
    std::vector<Operation> operations;
    for (const auto& id : before) operations.push_back(delivered({id, 0}, id.time()));
    before.clear();
    for (std::size_t i = 0; i < size.batch; ++i) {
      MessagePtr m = source.next();
      if (work == Work::accept_and_outcome) before.push_back(m->id);
      const WallTime due = m->accepted;
      operations.push_back(Accept{std::move(m), due});
    }
    const double cpu = thread_cpu();
    const auto begin = Steady::now();
    must(store->apply(operations));
    slice.waits.push_back(since(begin));
    slice.seconds += slice.waits.back();
    slice.cpu += thread_cpu() - cpu;
    ++slice.commits, slice.messages += size.batch, slice.bytes += size.batch * size.body_bytes;
  }
  return slice;
}

namespace {

// So many messages under way at any moment: when one is acknowledged its outcome and the next message are
// submitted. All but the constructor runs on `home`.
class Load {
 public:
  Load(Writer& writer, Runner& home, MailSource& source, Work work, double seconds)
      : writer_(writer), home_(home), source_(source), work_(work), seconds_(seconds) {}

  void start(std::size_t waiting) {
    start_ = Steady::now();
    for (std::size_t i = 0; i < waiting; ++i) one();
  }
  void wait() { ended_.get_future().wait(); }
  const std::vector<double>& waits() const { return waits_; }

 private:
  void one() {
    MessagePtr m = source_.next();
    const MessageId id = m->id;
    const WallTime due = m->accepted;
    const auto begin = Steady::now();
    ++open_;
    if (!writer_.submit(Accept{std::move(m), due}, home_,
                        [this, id, begin](const Result<void>& result) { acknowledged(id, begin, result); }))
      stop("the writer's queue is full");
  }
  void acknowledged(const MessageId& id, Steady::time_point begin, const Result<void>& result) {
    must(Result<void>(result));
    waits_.push_back(since(begin));
    if (work_ == Work::accept_and_outcome && !writer_.submit(delivered({id, 0}, id.time()), home_, {}))
      stop("an outcome was refused");
    --open_;
    if (since(start_) < seconds_)
      one();
    else if (open_ == 0)
      ended_.set_value();
  }

  Writer& writer_;
  Runner& home_;
  MailSource& source_;
  const Work work_;
  const double seconds_;
  Steady::time_point start_;
  std::size_t open_ = 0;
  std::vector<double> waits_;
  std::promise<void> ended_;
};

}  // namespace

Slice writer_speed(const Place& place, Durability durability, Work work, Size size) {
  empty(place);
  const auto store = must(open_lmdb({.directory = place.directory, .durability = durability}));
  MailSource source(size.body_bytes);
  std::unique_ptr<Load> load;  // outlives the thread that is in it
  Runner home;
  ThreadWriter writer(*store, {});
  load = std::make_unique<Load>(writer, home, source, work, place.seconds);
  const double cpu = process_cpu();
  const auto start = Steady::now();
  home.post([&] { load->start(size.batch); });
  load->wait();
  Slice slice;
  slice.seconds = since(start);
  slice.cpu = process_cpu() - cpu;
  slice.commits = writer.stats().commits;
  slice.waits = load->waits();
  slice.messages = slice.waits.size();
  slice.bytes = slice.messages * size.body_bytes;
  return slice;
}

}  // namespace relay::bench
