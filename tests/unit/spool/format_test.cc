// Spools that an older relay has made.
#include "spool/lmdb_env.h"
#include "tests/unit/spool/support.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;

// As a relay of before has left it.
TEST_CASE("a spool of format 1 is opened, has what format 2 adds, and is refused by programs of format 1") {
  TempDir directory;
  const auto format = [&] {
    const auto environment = must(Environment::open(settings(directory)));
    const auto txn = must(Txn::begin_write(*environment));
    auto meta = must(Cursor::open(txn, Table::meta));
    REQUIRE(must(meta.seek("format")));
    return std::string(must(meta.value()));
  };
  apply(*open(directory), accept({.number = 1}));
  {
    const auto environment = must(Environment::open(settings(directory)));
    auto txn = must(Txn::begin_write(*environment));
    REQUIRE(mdb_drop(txn.get(), environment->dbi(Table::idempotency), 1) == 0);
    must(must(Cursor::open(txn, Table::meta)).put("format", "1"));
    must(txn.commit());
  }
  {
    const auto store = open(directory);
    CHECK(must(store->load(id(1)))->subject == "hello 1");
    apply(*store, accept_message(with_key(2, "k")));
    CHECK(must(store->find_by_key({{"acme"}, "k"})) == id(2));
  }
  CHECK(format() == "2");
  // What a file of its own format lacks is lost.
  {
    const auto environment = must(Environment::open(settings(directory)));
    auto txn = must(Txn::begin_write(*environment));
    REQUIRE(mdb_drop(txn.get(), environment->dbi(Table::idempotency), 1) == 0);
    must(txn.commit());
  }
  const auto refused = open_lmdb(settings(directory));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("the table idempotency is not there") != std::string::npos);
}
