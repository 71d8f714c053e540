#include "spool/lmdb_order.h"

#include <algorithm>

#include "spool/lmdb_env.h"

#include "tests/unit/spool/support.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;

namespace {

Attempted deferral(std::uint32_t number) { return attempted({id(number), 0}, Status::queued); }

}  // namespace

TEST_CASE("a batch is applied in order of ids; operations on one message keep their order") {
  const Operation batch[] = {accept({.number = 9}), deferral(3), accept({.number = 7}), deferral(9),
                             deferral(3),           deferral(2), accept({.number = 9})};
  CHECK(order_of(batch) == std::vector<std::uint32_t>{5, 1, 4, 2, 0, 3, 6});
}

TEST_CASE("nothing passes a purge or a key in the order of a batch") {
  const Operation batch[] = {deferral(5), deferral(4), Purge{at(6)}, deferral(3),
                             deferral(1), PutKey{},    deferral(2),  deferral(1)};
  CHECK(order_of(batch) == std::vector<std::uint32_t>{1, 0, 2, 4, 3, 5, 7, 6});
}

TEST_CASE("no operations have an empty order") { CHECK(order_of({}).empty()); }

// Pages are filled, and hold what they would if ids had come in their order.
TEST_CASE("mail of one millisecond fills its pages whatever the order of its ids") {
  const auto leaves = [](bool in_order) {
    TempDir directory;
    {
      const auto store = open(directory);
      SeededRng rng(3);
      for (int commit = 0; commit < 10; ++commit) {
        std::vector<MessageId> ids;
        for (int i = 0; i < 200; ++i) ids.push_back(MessageId::make(at(commit), rng));
        if (in_order) std::sort(ids.begin(), ids.end());
        std::vector<Operation> batch;
        for (const auto& made : ids) {
          Message m = *message({.content = "Subject: short\r\n\r\n"});
          m.id = made;
          batch.push_back(Accept{std::make_shared<const Message>(std::move(m)), at(commit)});
        }
        must(store->apply(batch));
      }
    }
    const auto environment = must(Environment::open(settings(directory)));
    const auto txn = must(Txn::begin_read(*environment));
    MDB_stat stat{};
    REQUIRE(mdb_stat(txn.get(), environment->dbi(Table::messages), &stat) == 0);
    CHECK(stat.ms_entries == 2000);
    return stat.ms_leaf_pages;
  };
  CHECK(leaves(false) == leaves(true));
}
