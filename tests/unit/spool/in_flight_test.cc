// The ledger of attempts under way, and what a start makes of it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <thread>

#include "spool/in_flight.h"
#include "spool/repeats.h"
#include "tests/unit/spool/support.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;
using Attempt = InFlight::Attempt;

namespace {

struct Ledger {
  TempDir directory;
  Ledger() { std::filesystem::create_directory(directory.spool()); }
  std::string path() const { return directory.spool() + "/inflight"; }
  InFlight open(std::uint32_t places = 16) const { return InFlight(directory.spool(), {.places = places}); }
  std::set<RecipientRef> left(std::uint32_t places = 16) const {
    const InFlight ledger = open(places);
    std::set<RecipientRef> refs;
    for (const Attempt& a : ledger.left()) refs.insert(a.ref);
    return refs;
  }
  std::string bytes() const {
    std::ifstream in(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(std::string_view content) const {
    std::ofstream(path(), std::ios::binary)
        .write(content.data(), static_cast<std::streamsize>(content.size()));
  }
};

std::vector<Attempt> attempts(std::uint32_t first, std::uint32_t count) {
  std::vector<Attempt> all;
  for (std::uint32_t i = 0; i < count; ++i) all.push_back({{id(first + i), i}, i});
  return all;
}

}  // namespace

TEST_CASE("what is begun and not settled is there when the file is opened again, and nothing else") {
  const Ledger l;
  {
    InFlight ledger = l.open();
    CHECK(ledger.left().empty());
    const auto one = ledger.begin(attempts(1, 5));
    CHECK(std::ranges::count(one, Ticket{0}) == 0);
    CHECK(ledger.stats().noted == 5);
    ledger.settle(std::array{one[3], Ticket{0}, one[0], one[1]});
    const auto two = ledger.begin(attempts(10, 2));
    CHECK(ledger.stats().noted == 4);
    ledger.settle(std::array{two[0]});
  }
  CHECK(l.left() == std::set<RecipientRef>{{id(3), 2}, {id(5), 4}, {id(11), 1}});
  InFlight again = l.open();
  CHECK(again.left().at(1).before == 4);
  CHECK(again.stats().noted == 3);
  CHECK(again.begin(attempts(20, 14)).back() == 0);  // what was left keeps its places
  CHECK(again.stats().uncovered == 1);
  again.forget_left();
  CHECK(again.begin(attempts(40, 3)).back() != 0);
  CHECK(again.stats().uncovered == 1);
  struct stat s{};
  REQUIRE(stat(l.path().c_str(), &s) == 0);
  CHECK((s.st_mode & 0777) == 0600);
  CHECK(s.st_size == 17 * 32);
  CHECK(s.st_blocks > 0);  // allocated
}

TEST_CASE("an attempt without a place goes uncovered, and is counted") {
  const Ledger l;
  InFlight ledger = l.open(4);
  const auto tickets = ledger.begin(attempts(1, 6));
  REQUIRE(tickets.size() == 6);
  CHECK(std::ranges::count(tickets, Ticket{0}) == 2);
  CHECK(ledger.stats().uncovered == 2);
  ledger.settle(tickets);
  CHECK(ledger.stats().noted == 0);
  CHECK(std::ranges::count(ledger.begin(attempts(7, 4)), Ticket{0}) == 0);
}

TEST_CASE("another number of places keeps what was left") {
  const Ledger l;
  l.open(16).begin(attempts(1, 9));
  CHECK(l.left(100).size() == 9);
  CHECK(std::filesystem::file_size(l.path()) == 101 * 32);
  CHECK(l.left(2).size() == 9);  // more than was asked for, as long as they are there
  CHECK(l.left(2).size() == 9);
  l.open(2).forget_left();
  InFlight small = l.open(2);
  CHECK(small.left().empty());
  CHECK(small.begin(attempts(1, 3)).back() == 0);
}

TEST_CASE("a damaged place is lost alone; a file that is no ledger is replaced") {
  const Ledger l;
  l.open().begin(attempts(1, 3));
  const std::string good = l.bytes();
  for (std::size_t at = 2 * 32; at < 3 * 32; ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x20);
    l.write(bad);
    CHECK(l.left() == std::set<RecipientRef>{{id(1), 0}, {id(3), 2}});
  }
  std::string moved = good;
  std::copy_n(good.begin() + 32, 32, moved.begin() + 64);
  l.write(moved);
  CHECK(l.left() == std::set<RecipientRef>{{id(1), 0}, {id(3), 2}});
  for (std::size_t at = 0; at < 32; ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    l.write(bad);
    CHECK(l.left().empty());
    CHECK(l.open().begin(attempts(1, 1))[0] != 0);
  }
  for (const std::string& bad :
       {std::string(), good.substr(0, 31), good.substr(0, good.size() - 1), good + "x"}) {
    l.write(bad);
    CHECK(l.left().empty());
    CHECK(l.bytes().size() == good.size());
  }
}

TEST_CASE("without a file the ledger notes nothing, and says how much") {
  const Ledger l;
  std::filesystem::create_directories(l.path() + "/in the way");
  InFlight ledger = l.open();
  CHECK(ledger.begin(attempts(1, 3)) == std::vector<Ticket>{0, 0, 0});
  CHECK(ledger.stats().uncovered == 3);
  CHECK(ledger.stats().noted == 0);
  ledger.settle(std::array{Ticket{0}});
  ledger.forget_left();
}

TEST_CASE("threads begin and settle at once, and every place is given once") {
  const Ledger l;
  {
    InFlight ledger = l.open(64);
    std::vector<std::jthread> threads;
    for (std::uint32_t t = 0; t < 4; ++t)
      threads.emplace_back([&ledger, t] {
        for (std::uint32_t i = 0; i < 500; ++i) {
          const auto tickets = ledger.begin(attempts(1000 * (t + 1), 1 + i % 16));
          ledger.settle(std::span(tickets).subspan(i == 499 ? 1 : 0));
        }
      });
    threads.clear();
    CHECK(ledger.stats().noted == 4);
    CHECK(ledger.stats().uncovered == 0);
  }
  CHECK(l.left(64) == std::set<RecipientRef>{{id(1000), 0}, {id(2000), 0}, {id(3000), 0}, {id(4000), 0}});
}

TEST_CASE("a start records those whose outcome the store does not have") {
  TempDir directory;
  auto store = open(directory);
  apply(*store, accept({.number = 1, .recipients = 6}), accept({.number = 2}));
  apply(*store, attempted({id(1), 1}, Status::delivered), attempted({id(1), 2}, Status::queued),
        attempted({id(1), 3}, Status::queued), set_status({id(1), 4}, EventType::held, Status::held));
  {
    InFlight ledger(directory.spool(), {});
    ledger.begin(std::array{Attempt{{id(1), 0}, 0}, Attempt{{id(1), 1}, 0}, Attempt{{id(1), 2}, 0},
                            Attempt{{id(1), 3}, 0}, Attempt{{id(1), 3}, 1}, Attempt{{id(1), 4}, 0},
                            Attempt{{id(1), 4}, 0}, Attempt{{id(1), 99}, 0}, Attempt{{id(7), 0}, 0}});
  }
  InFlight ledger(directory.spool(), {});
  const auto repeats = record_repeats(*store, ledger, at(500));
  CHECK(repeats == std::vector<RecipientRef>{{id(1), 0}, {id(1), 3}, {id(1), 4}});
  const auto view = must(store->find(id(1)));
  REQUIRE(view);
  const auto& r = view->recipients;
  CHECK(r[0].attempts == 1);
  CHECK(r[0].next_attempt == at(500));
  REQUIRE(r[0].last);
  CHECK(r[0].last->in_doubt);
  CHECK(r[0].last->detail.find("stopped before") != std::string::npos);
  CHECK(r[1].status == Status::delivered);
  CHECK(r[2].attempts == 1);
  CHECK(r[3].attempts == 2);
  CHECK(r[4].status == Status::held);
  CHECK(r[4].attempts == 1);
  CHECK(r[5].attempts == 0);
  CHECK(ledger.stats().noted == 0);
  CHECK(record_repeats(*store, ledger, at(501)).empty());
}

namespace {

// A store that cannot be written to.
class Refusing final : public Store {
 public:
  explicit Refusing(Store& behind) : behind_(behind) {}
  Result<Applied> apply(std::span<const Operation>) override { return fail(Errc::full, "no room"); }
  Result<std::optional<MessageView>> find(MessageId id) const override { return behind_.find(id); }
  Result<MessagePtr> load(MessageId id, std::uint64_t at_most) const override {
    return behind_.load(id, at_most);
  }
  Result<std::vector<MessageView>> list(const MessageQuery& q) const override { return behind_.list(q); }
  Result<std::vector<QueueRow>> list_queue(const QueueQuery& q) const override {
    return behind_.list_queue(q);
  }
  Result<std::optional<MessageId>> find_by_key(const IdempotencyKey& key) const override {
    return behind_.find_by_key(key);
  }
  Result<Counts> counts() const override { return behind_.counts(); }
  Result<Space> space() const override { return behind_.space(); }
  Result<std::vector<ApiKey>> keys() const override { return behind_.keys(); }
  Result<std::vector<KeyDay>> key_days() const override { return behind_.key_days(); }
  Result<Claimed> claim(const EachEntry& each, const EachDamage& damaged, const GoOn& go_on) override {
    return behind_.claim(each, damaged, go_on);
  }

 private:
  Store& behind_;
};

}  // namespace

TEST_CASE("a start that cannot record them counts them all the same, and keeps them for the next") {
  TempDir directory;
  auto store = open(directory);
  apply(*store, accept({.number = 1}));
  InFlight(directory.spool(), {}).begin(std::array{Attempt{{id(1), 0}, 0}});
  Refusing refusing(*store);
  {
    InFlight ledger(directory.spool(), {});
    CHECK(record_repeats(refusing, ledger, at(500)).size() == 1);
    CHECK(ledger.stats().noted == 1);
  }
  InFlight ledger(directory.spool(), {});
  CHECK(record_repeats(*store, ledger, at(501)).size() == 1);
  CHECK(ledger.stats().noted == 0);
}
