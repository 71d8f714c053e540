// SimStore: the real store on a disk that does what a test wants, and the end of the process at a commit's
// boundary: before the batch is stored, or after it is stored and before anybody has been told.
#pragma once
#include <functional>
#include <memory>

#include "spool/store.h"

namespace relay::sim {

enum class Crash { none, before_commit, after_commit };

enum class Disk {
  well,
  no_room_for_mail,  // Errc::full for a batch with new mail: what is left is kept for outcomes
  full,              // Errc::full for every batch
  unavailable,       // Errc::unavailable for every batch
  failing,           // a final error, and the batch is not stored
  failing_late       // a final error, and yet the batch turns out to be stored
};

class SimStore final : public spool::Store {
 public:
  explicit SimStore(std::unique_ptr<spool::Store> real) : real_(std::move(real)) {}

  std::function<Crash()> crash;                             // asked at each boundary; none if it is empty
  std::function<Disk()> disk;                               // asked at each commit; well if it is empty
  std::function<bool(const spool::Operation&)> unstorable;  // whether damage keeps it from the store
  bool crashed() const { return ended_ != Crash::none; }
  Crash ended() const { return ended_; }

  Result<spool::Applied> apply(std::span<const spool::Operation> batch) override;
  Result<void> probe(std::uint64_t bytes) override;

  Result<void> sync() override { return real_->sync(); }
  Result<std::optional<spool::MessageView>> find(MessageId id) const override { return real_->find(id); }
  Result<spool::MessagePtr> load(MessageId id, std::uint64_t at_most) const override {
    return real_->load(id, at_most);
  }
  Result<std::vector<spool::MessageView>> list(const spool::MessageQuery& query) const override {
    return real_->list(query);
  }
  Result<std::vector<spool::QueueRow>> list_queue(const spool::QueueQuery& query) const override {
    return real_->list_queue(query);
  }
  Result<std::optional<MessageId>> find_by_key(const spool::IdempotencyKey& key) const override {
    return real_->find_by_key(key);
  }
  Result<spool::Counts> counts() const override { return real_->counts(); }
  Result<spool::Space> space() const override { return real_->space(); }
  Result<std::vector<spool::ApiKey>> keys() const override { return real_->keys(); }
  Result<std::vector<spool::KeyDay>> key_days() const override { return real_->key_days(); }
  Result<spool::Claimed> claim(const EachEntry& each, const EachDamage& damaged, const GoOn& go_on) override {
    return real_->claim(each, damaged, go_on);
  }

 private:
  Result<spool::Applied> apply_on(Disk state, std::span<const spool::Operation> batch);
  Result<spool::Applied> apply_sound(std::span<const spool::Operation> batch);
  std::unique_ptr<spool::Store> real_;
  Crash ended_ = Crash::none;
};

}  // namespace relay::sim
