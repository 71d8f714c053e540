// A store that takes everything and has nothing: for tests that care for one thing a store does.
#pragma once
#include "spool/store.h"

namespace relay::spool::test {

class NullStore : public Store {
 public:
  Result<Applied> apply(std::span<const Operation>) override { return Applied{}; }
  Result<Claimed> claim(const EachEntry&, const EachDamage&, const GoOn&) override { return Claimed{}; }
  Result<std::optional<MessageView>> find(MessageId) const override { return std::nullopt; }
  Result<MessagePtr> load(MessageId wanted, std::uint64_t) const override {
    return fail(Errc::not_found, wanted.text());
  }
  Result<std::vector<MessageView>> list(const MessageQuery&) const override {
    return std::vector<MessageView>();
  }
  Result<std::vector<QueueRow>> list_queue(const QueueQuery&) const override {
    return std::vector<QueueRow>();
  }
  Result<std::optional<MessageId>> find_by_key(const IdempotencyKey&) const override { return std::nullopt; }
  Result<Counts> counts() const override { return Counts{}; }
  Result<Space> space() const override { return Space{}; }
  Result<std::vector<ApiKey>> keys() const override { return std::vector<ApiKey>(); }
  Result<std::vector<KeyDay>> key_days() const override { return std::vector<KeyDay>(); }
};

}  // namespace relay::spool::test
