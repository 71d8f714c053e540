// Watch: a store that hands everything on to another, and prints how it fares every so many messages: beside
// raw LMDB in a file of its own, which makes a commit of the same size after every few, because the disk's
// own speed may wander.
#pragma once
#include <atomic>
#include <string>
#include <unordered_map>
#include <vector>

#include "spool/store.h"
#include "tests/bench/look.h"
#include "tests/bench/raw.h"

namespace relay::bench {

// How much mail has an open recipient. Written by one thread, the totals read by any.
class Live {
 public:
  void opened(const MessageId& id, std::uint32_t recipients, std::uint64_t bytes);
  void closed(const MessageId& id);  // one recipient of it
  std::uint64_t messages() const { return messages_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  struct Open {
    std::uint32_t recipients;
    std::uint64_t bytes;
  };
  std::unordered_map<MessageId, Open> open_;
  std::atomic<std::uint64_t> messages_ = 0, bytes_ = 0;
};

class Watch final : public spool::Store {
 public:
  // `probe` is where raw LMDB works, on the same disk.
  Watch(spool::Store& store, const Live& live, std::string directory, const std::string& probe,
        std::uint64_t interval);

  // After a commit, on the thread of the writer, so that nothing is written while the file is looked at; the
  // time this takes is not counted.
  Result<spool::Applied> apply(std::span<const spool::Operation> batch) override;
  void summary() const;

  Result<std::optional<spool::MessageView>> find(MessageId id) const override { return store_.find(id); }
  Result<spool::MessagePtr> load(MessageId id, std::uint64_t at_most) const override {
    return store_.load(id, at_most);
  }
  Result<std::vector<spool::MessageView>> list(const spool::MessageQuery& query) const override {
    return store_.list(query);
  }
  Result<std::vector<spool::QueueRow>> list_queue(const spool::QueueQuery& query) const override {
    return store_.list_queue(query);
  }
  Result<std::optional<MessageId>> find_by_key(const spool::IdempotencyKey& key) const override {
    return store_.find_by_key(key);
  }
  Result<spool::Counts> counts() const override { return store_.counts(); }
  Result<spool::Space> space() const override { return store_.space(); }
  Result<std::vector<spool::ApiKey>> keys() const override { return store_.keys(); }
  Result<std::vector<spool::KeyDay>> key_days() const override { return store_.key_days(); }
  Result<spool::Claimed> claim(const EachEntry& each, const EachDamage& damaged, const GoOn& go_on) override {
    return store_.claim(each, damaged, go_on);
  }

 private:
  struct Interval {
    Steady::time_point start = Steady::now();
    double cpu = process_cpu();
    std::uint64_t written = bytes_written();
    std::uint64_t messages = 0, bytes = 0;
    double seconds = 0;           // in commits
    std::vector<double> commits;  // seconds each
    double probe_seconds = 0, probe_bytes = 0;
  };
  struct Row {
    double of_lmdb, cpu, used_bytes;
  };
  void row();

  spool::Store& store_;
  const Live& live_;
  const std::string directory_;
  RawLmdb probe_;
  const std::uint64_t interval_;
  std::uint64_t messages_ = 0;
  Interval now_;
  std::vector<Row> rows_;
};

}  // namespace relay::bench
