#include "tests/bench/aged.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "spool/lmdb.h"
#include "tests/bench/look.h"
#include "tests/bench/mail.h"
#include "tests/bench/mixed.h"

namespace relay::bench {

using namespace relay::spool;

namespace {

constexpr std::uint64_t gibi = 1u << 30;

// A store and the mail in it, filled and emptied in batches.
class Aged {
 public:
  Aged(std::string directory, std::uint64_t map_bytes, std::uint64_t body_bytes)
      : directory_(std::move(directory)),
        store_(must(open_lmdb({.directory = directory_, .map_bytes = map_bytes}))),
        rng_(1),
        source_(0) {
    if (body_bytes > 0)
      bodies_.push_back(std::make_shared<const Body>(std::string(body_bytes, 'x')));
    else
      for (int i = 0; i < 1024; ++i) bodies_.push_back(mixed_body(rng_));
  }

  // Accepts mixed mail until so much has been accepted or the store is full.
  void fill(std::uint64_t bytes) {
    constexpr std::uint64_t batch_bytes = 4u << 20;
    for (std::uint64_t done = 0; done < bytes;) {
      std::vector<Operation> batch;
      std::uint64_t size = 0;
      while (size < batch_bytes) size += add(batch, bodies_[rng_.below(bodies_.size())]);
      if (!apply(batch)) return;
      done += size;
    }
  }

  // Delivers a random half of what is open.
  void thin() {
    for (std::size_t i = open_.size(); i > 1; --i) std::swap(open_[i - 1], open_[rng_.below(i)]);
    const std::size_t keep = open_.size() / 2;
    while (open_.size() > keep) {
      std::vector<Operation> batch;
      while (batch.size() < 500 && open_.size() > keep) deliver_last(batch);
      apply(batch);
    }
  }

  // Accepts `size` messages a commit, and delivers those of the commit before. No body given: of those it was
  // filled with.
  Slice turn_over(double seconds, BodyPtr body, std::size_t size) {
    Slice slice;
    const std::size_t others = open_.size();
    const auto start = Steady::now();
    while (since(start) < seconds) {
      std::vector<Operation> batch;
      while (open_.size() > others) deliver_last(batch);
      for (std::size_t i = 0; i < size; ++i)
        slice.bytes += add(batch, body ? body : bodies_[rng_.below(bodies_.size())]);
      const double cpu = thread_cpu();
      const auto begin = Steady::now();
      apply(batch);
      slice.waits.push_back(since(begin));
      slice.seconds += slice.waits.back();
      slice.cpu += thread_cpu() - cpu;
      ++slice.commits, slice.messages += size;
    }
    std::vector<Operation> batch;
    while (open_.size() > others) deliver_last(batch);
    apply(batch);
    return slice;
  }

  // Of batches of 20 messages of 4 KiB, until one is refused, and then of 100 refusals.
  std::pair<Slice, Slice> fill_up() {
    constexpr std::size_t size = 20;
    const auto body = std::make_shared<const Body>(std::string(4096, 'x'));
    std::pair<Slice, Slice> slices;
    while (slices.second.commits < 100) {
      std::vector<Operation> batch;
      for (std::size_t i = 0; i < size; ++i) add(batch, body);
      const double cpu = thread_cpu();
      const auto begin = Steady::now();
      const bool taken = apply(batch);
      Slice& slice = taken ? slices.first : slices.second;
      slice.waits.push_back(since(begin));
      slice.seconds += slice.waits.back();
      slice.cpu += thread_cpu() - cpu;
      ++slice.commits, slice.messages += size, slice.bytes += size * body->size();
    }
    return slices;
  }

  void print(std::string_view what) const {
    const Look look = look_at(directory_);
    fmt::print("{}: file {} MiB, used {}, free {}; free pages in {} runs, the longest {}; {} free lists\n",
               what, look.file_bytes >> 20, look.used_bytes >> 20, look.free_bytes >> 20, look.runs,
               look.longest_run, look.list_records);
  }

 private:
  std::uint64_t add(std::vector<Operation>& batch, BodyPtr body) {
    MessagePtr m = source_.make(system_wall(), std::move(body), 1);
    open_.push_back(m->id);
    const std::uint64_t size = m->size;
    const WallTime due = m->accepted;
    batch.push_back(Accept{std::move(m), due});
    return size;
  }
  void deliver_last(std::vector<Operation>& batch) {
    batch.push_back(delivered({open_.back(), 0}, open_.back().time()));
    open_.pop_back();
  }
  // False: full, and the batch's messages are forgotten.
  bool apply(const std::vector<Operation>& batch) {
    const auto applied = store_->apply(batch);
    if (applied) return true;
    if (applied.error().code != Errc::full) stop(applied.error().message);
    open_.resize(open_.size() - batch.size());
    return false;
  }

  std::string directory_;
  std::unique_ptr<Store> store_;
  SeededRng rng_;
  MailSource source_;
  std::vector<BodyPtr> bodies_;
  std::vector<MessageId> open_;
};

}  // namespace

void fragmented_run(const Place& place, const AgedSettings& settings) {
  empty(place);
  Aged old(place.directory + "/old", 64 * gibi, settings.body_bytes);
  old.fill(settings.gigabytes * gibi);
  old.print("filled");
  old.thin();
  old.print("half of it delivered");
  Aged fresh(place.directory + "/fresh", 64 * gibi, settings.body_bytes);
  std::vector<Line> lines;
  const auto both = [&](std::size_t bytes, std::size_t batch, const BodyPtr& body) {
    const auto add = [&](std::string what, Aged& spool, int beside) {
      lines.push_back(
          {std::move(what), bytes, batch,
           [&spool, body, batch, seconds = place.seconds] { return spool.turn_over(seconds, body, batch); },
           beside});
    };
    add("fresh file", fresh, -1);
    add("fragmented file", old, static_cast<int>(lines.size()) - 1);
  };
  for (const std::size_t batch : {10, 100, 1000})
    both(4096, batch, std::make_shared<const Body>(std::string(4096, 'x')));
  both(1u << 20, 20, std::make_shared<const Body>(std::string(1u << 20, 'x')));
  both(64u << 10, 50, nullptr);
  print_table(lines, run_all(lines, settings.rounds));
  old.print("after that");
}

void full_run(const Place& place, const AgedSettings& settings) {
  empty(place);
  Aged spool(place.directory, settings.gigabytes * gibi, settings.body_bytes);
  spool.fill(settings.gigabytes * gibi);
  spool.print("filled to the limit");
  spool.thin();
  spool.print("half of it delivered");
  const auto [taken, refused] = spool.fill_up();
  const std::vector<Line> lines = {{"taken until full", 4096, 20, [&] { return taken; }},
                                   {"refused", 4096, 20, [&] { return refused; }}};
  print_table(lines, run_all(lines, 1));
  spool.print("full again");
}

}  // namespace relay::bench
