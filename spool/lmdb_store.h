// LmdbStore: the Store on one LMDB file. The tables are described in spool/FORMAT.md.
//
// apply() runs on the writer's thread. Each read opens its own transaction and ends it before it answers;
// those that may go through millions of rows (claim, list_queue) or megabytes (load) do so in slices, each a
// transaction of its own, so that no page is kept from reuse for long. What changes between two slices is
// seen or not.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "spool/lmdb_batch.h"
#include "spool/lmdb_env.h"
#include "spool/store.h"

namespace relay::spool {

// Rows one transaction goes through; a slice takes about a millisecond.
inline constexpr std::size_t slice_rows = 4096;

class LmdbStore final : public Store {
 public:
  explicit LmdbStore(std::unique_ptr<Environment> environment, bool doubtful = false)
      : environment_(std::move(environment)) {
    progress_.doubtful = doubtful;
  }
  Result<Applied> apply(std::span<const Operation> batch) override;
  Result<void> sync() override;
  Result<void> probe(std::uint64_t bytes) override;
  Result<Claimed> claim(const EachEntry& each, const EachDamage& damaged, const GoOn& go_on) override;
  Result<std::optional<MessageView>> find(MessageId id) const override;
  Result<MessagePtr> load(MessageId id, std::uint64_t at_most) const override;
  Result<std::vector<MessageView>> list(const MessageQuery& query) const override;
  Result<std::vector<QueueRow>> list_queue(const QueueQuery& query) const override;
  Result<std::optional<MessageId>> find_by_key(const IdempotencyKey& key) const override;
  Result<Counts> counts() const override;
  Result<Space> space() const override { return environment_->space(); }
  Result<std::vector<ApiKey>> keys() const override;
  Result<std::vector<KeyDay>> key_days() const override;

  // Content that one read transaction of load() copies: about a millisecond, if the file is in memory.
  static constexpr std::size_t slice_bytes = std::size_t{1} << 20;

 private:
  struct Trouble {  // by position in the batch
    std::map<std::size_t, Error> failed;
    std::set<std::size_t> careful;
    bool usage = false;  // what keys have sent cannot be written
  };
  Result<std::optional<Applied>> try_apply(std::span<const Operation> batch,
                                           std::span<const std::uint32_t> order, Trouble& trouble);
  Result<std::optional<Applied>> add_all(const Txn& txn, std::span<const Operation> batch,
                                         std::span<const std::uint32_t> order, Progress& progress,
                                         Trouble& trouble);
  Result<bool> write_usage(const Txn& txn, Batch& batch, Progress& progress, Trouble& trouble);

  std::unique_ptr<Environment> environment_;
  Progress progress_;          // the writer's
  Scratch scratch_;            // the writer's
  std::uint64_t batches_ = 0;  // the same
};

}  // namespace relay::spool
