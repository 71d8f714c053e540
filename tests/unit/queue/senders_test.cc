#include "mta/queue/senders.h"

#include <doctest/doctest.h>

#include "tests/unit/support/test_loop.h"

using namespace relay;
using namespace relay::queue;
using namespace std::chrono_literals;
using Word = Senders::Word;

namespace {

// Answers null_mx when the test says so.
class Asked final : public dns::Resolver {
 public:
  void mail_hosts(const std::string&, Done<dns::MailHosts>) override { FAIL("not asked for"); }
  void addresses(const std::string&, Done<dns::MailHosts>) override { FAIL("not asked for"); }
  void tlsa(const std::string&, std::uint16_t, Done<dns::TlsaRecords>) override { FAIL("not asked for"); }
  void txt(const std::string&, Done<dns::Texts>) override { FAIL("not asked for"); }
  void null_mx(const std::string& domain, Done<bool> done) override {
    open.emplace_back(domain, std::move(done));
  }
  std::vector<std::pair<std::string, Done<bool>>> open;
};

struct Fixture {
  test::TestLoop loop;
  Asked resolver;
  Senders senders{loop, resolver, 10min, 3};
  int told = 0;
  Task tell() {
    return [this] { ++told; };
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a domain is asked for once, and everybody is told later") {
  CHECK(senders.word("a@x.example") == Word::unknown);
  senders.ask("a@x.example", tell());
  senders.ask("b@x.example", tell());
  senders.ask("c@x.example", {});
  REQUIRE(resolver.open.size() == 1);
  CHECK(resolver.open[0].first == "x.example");
  CHECK(senders.word("a@x.example") == Word::unknown);
  resolver.open[0].second(true);
  CHECK(senders.word("a@x.example") == Word::null_mx);
  CHECK(told == 0);
  loop.run();
  CHECK(told == 2);
  senders.ask("d@x.example", tell());
  CHECK(told == 2);
  loop.run();
  CHECK(told == 3);
  CHECK(resolver.open.size() == 1);

  loop.advance(10min);
  CHECK(senders.word("a@x.example") == Word::unknown);
  senders.ask("a@x.example", {});
  CHECK(resolver.open.size() == 2);
  resolver.open[1].second(false);
  CHECK(senders.word("a@x.example") == Word::takes_mail);
}

TEST_CASE_FIXTURE(Fixture, "nobody's domain and an address are not asked for") {
  for (const auto* path : {"", "me@[192.0.2.1]", "postmaster"}) {
    CHECK(senders.word(path) == Word::takes_mail);
    senders.ask(path, tell());
  }
  loop.run();
  CHECK(told == 3);
  CHECK(resolver.open.empty());
}

TEST_CASE_FIXTURE(Fixture, "of more domains than it can keep, the further ones count as taking mail") {
  for (const auto* path : {"a@a.example", "a@b.example", "a@c.example"}) senders.ask(path, {});
  resolver.open[0].second(true);
  CHECK(senders.word("a@d.example") == Word::takes_mail);
  senders.ask("a@d.example", tell());
  loop.run();
  CHECK(told == 1);
  CHECK(resolver.open.size() == 3);
  CHECK(senders.word("a@a.example") == Word::null_mx);
  // What is no longer fresh makes room; what is awaited stays.
  loop.advance(10min);
  senders.ask("a@d.example", {});
  CHECK(resolver.open.size() == 4);
  CHECK(senders.word("a@d.example") == Word::unknown);
  CHECK(senders.word("a@b.example") == Word::unknown);
}

TEST_CASE("an answer that comes after its end finds nobody") {
  test::TestLoop loop;
  Asked resolver;
  {
    Senders senders(loop, resolver, 1min, 3);
    senders.ask("a@x.example", [] { FAIL("nobody waits any more"); });
  }
  resolver.open[0].second(true);
  loop.run();
}
