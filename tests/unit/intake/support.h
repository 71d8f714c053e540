// What intake stands on, in the hand of the test: a writer that commits when told, and a real dispatcher
// whose scheduler only counts what it was given, as no host is ever found.
#pragma once
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "mta/queue/dispatcher.h"
#include "tests/unit/spool/null_store.h"
#include "tests/unit/support/test_loop.h"

namespace relay::test {

class FakeWriter final : public spool::Writer {
 public:
  bool submit(spool::Operation operation, Executor& home, spool::Committed done) override {
    if (full) return false;
    waiting.push_back({std::move(operation), &home, std::move(done)});
    return true;
  }
  std::uint64_t unrecorded() const override { return 0; }
  spool::WriterState state() const override { return known.state; }
  spool::WriterStats stats() const override { return known; }
  // The oldest operation, its completion posted.
  spool::Operation commit(const Result<void>& result = {}) {
    Waiting first = std::move(waiting.front());
    waiting.pop_front();
    if (first.done) first.home->post([done = std::move(first.done), result]() mutable { done(result); });
    return std::move(first.operation);
  }

  struct Waiting {
    spool::Operation operation;
    Executor* home;
    spool::Committed done;
  };
  std::deque<Waiting> waiting;
  bool full = false;
  spool::WriterStats known;
};

class FakeStore final : public spool::test::NullStore {
 public:
  Result<std::vector<spool::ApiKey>> keys() const override {
    if (broken) return fail(Errc::corrupt, "the key record x fails its checksum");
    return stored_keys;
  }

  Result<std::optional<MessageId>> find_by_key(const spool::IdempotencyKey& key) const override {
    if (broken) return fail(Errc::corrupt, "the row of a key fails its checksum");
    const auto found = messages.find(key);
    return found == messages.end() ? std::nullopt : std::optional(found->second);
  }

  Result<spool::Counts> counts() const override {
    return spool::Counts{.messages = 0, .queued = 0, .idempotency_keys = messages.size()};
  }
  Result<std::vector<spool::KeyDay>> key_days() const override { return stored_days; }

  std::vector<spool::ApiKey> stored_keys;
  std::vector<spool::KeyDay> stored_days;
  std::map<spool::IdempotencyKey, MessageId> messages;
  bool broken = false;
};

// Without limits, of the account "demo".
inline spool::ApiKey plain_key(std::string id) {
  spool::ApiKey key;
  key.id.value = std::move(id);
  key.account.value = "demo";
  return key;
}

class SilentResolver final : public dns::Resolver {
 public:
  void mail_hosts(const std::string&, std::move_only_function<void(dns::MailHosts)>) override {}
  void addresses(const std::string&, std::move_only_function<void(dns::MailHosts)>) override {}
  void tlsa(const std::string&, std::uint16_t, Done<dns::TlsaRecords>) override {}
  void txt(const std::string&, Done<dns::Texts>) override {}
  void null_mx(const std::string&, Done<bool>) override {}
};

class NoDialer final : public net::Dialer {
 public:
  net::SessionId dial(const net::Target&, std::unique_ptr<wire::ClientDialog>, Progress) override {
    return {};
  }
  wire::ClientDialog* dialog(net::SessionId) override { return nullptr; }
  void kick(net::SessionId) override {}
};

// The queue, with one loop.
struct Queue {
  explicit Queue(TestLoop& loop)
      : scheduler({loop, dialer, resolver, writer, loader, router, rng}, {}), dispatcher(router) {
    dispatcher.add(loop, scheduler);
  }
  SilentResolver resolver;
  NoDialer dialer;
  FakeWriter writer;
  FakeStore store;
  spool::PostingLoader loader{store};
  queue::Router router{{}};
  SeededRng rng{1};
  queue::Scheduler scheduler;
  queue::Dispatcher dispatcher;
};

}  // namespace relay::test
