#include "mta/intake/auth_guard.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <thread>

#include "tests/unit/spool/support.h"
#include "tests/unit/support/test_loop.h"

using namespace relay;
using namespace relay::intake;
using relay::test::TestLoop;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

struct World {
  AuthGuardSettings settings;
  AuthGuard guard;
  TestLoop loop;

  explicit World(AuthGuardSettings s = {}) : settings(s), guard(std::move(s)) {}
  static AuthGuard::Attempt at(const char* address, std::string_view account) {
    return {spool::Origin::smtp, address, account};
  }
  Duration fail(const char* address, std::string_view account) {
    return guard.failed(at(address, account), loop);
  }
  void fail(int times, const char* address, std::string_view account) {
    for (int i = 0; i < times; ++i) fail(address, account);
  }
  void succeed(const char* address, std::string_view account) { guard.succeeded(at(address, account), loop); }
  bool refused(const char* address, std::string_view account) {
    return guard.refuses(at(address, account), loop).has_value();
  }
  std::string locked() {
    std::string all;
    for (const Lockout& one : guard.list(loop)) all += fmt::format("{} {};", text(one.kind), one.subject);
    return all;
  }
};

}  // namespace

TEST_CASE("the first failures are answered at once, further ones ever later, to a limit") {
  World w;
  const Duration expected[] = {seconds(0), seconds(0), seconds(0), seconds(1), seconds(2),
                               seconds(4), seconds(8), seconds(8), seconds(8)};
  for (const Duration delay : expected) {
    CHECK_FALSE(w.refused("192.0.2.1", "acme"));
    CHECK(w.fail("192.0.2.1", "acme") == delay);
  }
  w.loop.advance(w.settings.window);  // none of them counts any more
  CHECK(w.fail("192.0.2.1", "acme") == seconds(0));
}

TEST_CASE("the window slides: what is older than it does not count") {
  World w;
  for (int i = 0; i < 50; ++i) {  // nine within any window
    w.fail("192.0.2.1", "");
    w.loop.advance(w.settings.window / 9);
    CHECK(w.locked().empty());
  }
  w.fail(2, "192.0.2.1", "");
  CHECK(w.locked() == "address 192.0.2.1;");
}

TEST_CASE("a client is locked out for whatever account, for a time that it cannot prolong") {
  World w;
  for (int i = 0; i < 10; ++i) {
    CHECK_FALSE(w.refused("192.0.2.1", ""));
    w.fail("192.0.2.1", fmt::format("user{}", i));
  }
  CHECK(w.locked() == "address 192.0.2.1;");
  const auto lockout = w.guard.refuses(w.at("192.0.2.1", "other"), w.loop);
  REQUIRE(lockout);
  CHECK(lockout->kind == LockoutKind::address);
  CHECK(lockout->subject == "192.0.2.1");
  CHECK(lockout->until == w.loop.wall() + minutes(15));
  CHECK(until_words(lockout->until).starts_with("until 2026-09-21 14:28:20 UTC"));
  CHECK_FALSE(w.refused("192.0.2.2", "other"));
  w.loop.advance(minutes(14));
  CHECK(w.refused("192.0.2.1", "other"));
  CHECK(w.guard.list(w.loop).at(0).until == lockout->until);
  w.loop.advance(minutes(1));
  CHECK_FALSE(w.refused("192.0.2.1", "other"));
  CHECK(w.fail("192.0.2.1", "") == seconds(0));  // and begins anew
}

TEST_CASE("clients: a /64 is one, IPv4 in IPv6's clothes is IPv4") {
  struct Row {
    const char *first, *second;
    bool same;
  };
  for (const auto& [first, second, same] :
       {Row{"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
        Row{"2001:db8:1:2::1", "2001:db8:1:3::1", false}, Row{"192.0.2.1", "::ffff:192.0.2.1", true},
        Row{"192.0.2.1", "192.0.2.2", false}}) {
    World w;
    w.fail(10, first, "");
    CAPTURE(second);
    CHECK(w.refused(second, "") == same);
  }
  World w;
  w.fail(10, "2001:db8:1:2::1", "");
  CHECK(w.locked() == "address 2001:db8:1:2::/64;");
}

TEST_CASE("an account is locked out for strangers, and not for clients that it knows") {
  World w;
  w.succeed("192.0.2.1", "acme");
  w.succeed("2001:db8::1", "acme");
  w.succeed("192.0.2.3", "other");
  for (int i = 0; i < 10; ++i) w.fail(fmt::format("198.51.100.{}", i).c_str(), "acme");
  CHECK(w.locked() == "account acme;");
  CHECK_FALSE(w.refused("192.0.2.1", "acme"));
  CHECK_FALSE(w.refused("2001:db8::99", "acme"));
  CHECK(w.refused("192.0.2.3", "acme"));  // known to another account
  CHECK(w.refused("192.0.2.4", "acme"));
  CHECK_FALSE(w.refused("192.0.2.4", "other"));
  const auto lockout = w.guard.refuses(w.at("192.0.2.4", "acme"), w.loop);
  REQUIRE(lockout);
  CHECK(lockout->kind == LockoutKind::account);
  // A known client's own failures are its own, and lock it out in their turn, for this account.
  CHECK(w.fail("192.0.2.1", "acme") == seconds(0));
  w.fail(2, "192.0.2.1", "acme");
  CHECK(w.fail("192.0.2.1", "acme") == seconds(1));
  CHECK_FALSE(w.refused("192.0.2.1", "acme"));
  w.fail(6, "192.0.2.1", "acme");
  CHECK(w.refused("192.0.2.1", "acme"));
  CHECK(w.locked() == "address 192.0.2.1 for acme;account acme;");
  CHECK_FALSE(w.refused("192.0.2.1", "other"));
  CHECK_FALSE(w.refused("2001:db8::99", "acme"));
}

TEST_CASE("behind a shared address those who have authenticated go on while it is locked out for others") {
  World w;
  w.succeed("192.0.2.1", "acme");
  w.succeed("192.0.2.1", "shop");
  for (int i = 0; i < 10; ++i) w.fail("192.0.2.1", fmt::format("user{}", i));
  CHECK(w.locked() == "address 192.0.2.1;");
  CHECK(w.refused("192.0.2.1", "user1"));
  CHECK(w.refused("192.0.2.1", ""));
  CHECK_FALSE(w.refused("192.0.2.1", "acme"));
  CHECK_FALSE(w.refused("192.0.2.1", "shop"));
  w.succeed("192.0.2.1", "acme");  // does not lift it for the others
  CHECK(w.refused("192.0.2.1", "user1"));
  w.fail(10, "192.0.2.1", "acme");
  CHECK(w.refused("192.0.2.1", "acme"));
  CHECK_FALSE(w.refused("192.0.2.1", "shop"));
  CHECK(w.guard.lift("192.0.2.1", w.loop) == 2);
  CHECK_FALSE(w.refused("192.0.2.1", "acme"));
  w.fail(10, "192.0.2.1", "acme");
  CHECK(w.guard.lift("cme", w.loop) == 0);
  CHECK(w.guard.lift("acme", w.loop) == 1);
  w.fail(10, "192.0.2.1", "acme");
  CHECK(w.guard.lift("192.0.2.1 for acme", w.loop) == 1);
}

TEST_CASE("a client with an account of its own does not clear by that what it guesses of others") {
  World w;
  w.succeed("192.0.2.1", "mine");
  for (int i = 0; i < 10; ++i) {
    w.fail("192.0.2.1", fmt::format("user{}", i));
    w.succeed("192.0.2.1", "mine");
  }
  CHECK(w.locked() == "address 192.0.2.1;");
}

TEST_CASE("a known client's old password does not lock the account out for others") {
  World w;
  w.succeed("192.0.2.1", "acme");
  w.fail(10, "192.0.2.1", "acme");
  CHECK(w.locked() == "address 192.0.2.1 for acme;");
  CHECK_FALSE(w.refused("192.0.2.2", "acme"));
}

TEST_CASE("who is known outlives the process: nobody can lock an account out after a restart") {
  const spool::test::TempDir directory;
  const std::string file = directory.spool() + "-known-clients";
  TestLoop loop;
  const auto attack = [&](AuthGuard& guard) {
    for (int i = 0; i < 10; ++i)
      guard.failed(World::at(fmt::format("198.51.100.{}", i).c_str(), "acme"), loop);
    CHECK(guard.refuses(World::at("192.0.2.9", "acme"), loop).has_value());
  };
  {
    AuthGuard guard({}, file, loop.wall());
    guard.succeeded(World::at("192.0.2.1", "acme"), loop);
    loop.advance(hours(24 * 5));
    guard.succeeded(World::at("192.0.2.2", "acme"), loop);
  }
  loop.advance(hours(24 * 3));
  AuthGuard guard({}, file, loop.wall());
  attack(guard);
  CHECK_FALSE(guard.refuses(World::at("192.0.2.2", "acme"), loop).has_value());
  CHECK(guard.refuses(World::at("192.0.2.1", "acme"), loop).has_value());  // too long ago
}

TEST_CASE("a client is known for a while only") {
  World w;
  w.succeed("192.0.2.1", "acme");
  w.loop.advance(hours(24 * 7));
  for (int i = 0; i < 10; ++i) w.fail(fmt::format("198.51.100.{}", i).c_str(), "acme");
  CHECK(w.refused("192.0.2.1", "acme"));
}

TEST_CASE("a success clears what the client has failed, and not what the account has") {
  World w;
  w.fail(9, "192.0.2.1", "");
  w.succeed("192.0.2.1", "acme");
  CHECK(w.fail("192.0.2.1", "") == seconds(0));
  for (int i = 0; i < 9; ++i) w.fail(fmt::format("198.51.100.{}", i).c_str(), "acme");
  w.succeed("192.0.2.1", "acme");
  w.fail("198.51.100.20", "acme");
  CHECK(w.locked() == "account acme;");
}

TEST_CASE("exempt clients are never counted, nor is what they fail") {
  World w({.exempt = {"loopback", "198.51.100.0/24"}});
  w.fail(50, "127.0.0.1", "acme");
  w.fail(50, "198.51.100.7", "acme");
  CHECK(w.locked().empty());
  CHECK(w.fail("::1", "acme") == seconds(0));
  for (int i = 0; i < 10; ++i) w.fail(fmt::format("192.0.2.{}", i).c_str(), "acme");
  CHECK_FALSE(w.refused("127.0.0.1", "acme"));
  CHECK(w.refused("192.0.2.99", "acme"));
  CHECK(w.guard.stats(w.loop).failures[0] == 111);
}

TEST_CASE("lifting, one and all") {
  World w;
  const auto lock_all = [&] {
    w.fail(10, "192.0.2.1", "");
    w.fail(10, "2001:db8::1", "");
    for (int i = 0; i < 10; ++i) w.fail(fmt::format("198.51.100.{}", i).c_str(), "acme");
    CHECK(w.locked() == "address 192.0.2.1;address 2001:db8::/64;account acme;");
  };
  lock_all();
  CHECK(w.guard.lift("192.0.2.9", w.loop) == 0);
  CHECK(w.guard.lift("acme", w.loop) == 1);
  CHECK(w.guard.lift("::ffff:192.0.2.1", w.loop) == 1);
  CHECK(w.guard.lift("2001:db8::/64", w.loop) == 1);
  CHECK(w.locked().empty());
  CHECK(w.fail("192.0.2.1", "acme") == seconds(0));  // the counts are gone too
  w.guard.lift_all(w.loop);
  lock_all();
  CHECK(w.guard.lift_all(w.loop) == 3);
  CHECK(w.locked().empty());
  const auto stats = w.guard.stats(w.loop);
  CHECK(stats.lockouts == std::array<std::uint64_t, 2>{4, 2});
  CHECK(stats.locked_out == std::array<std::uint64_t, 2>{0, 0});
}

TEST_CASE("many clients and names: memory is bounded, and what is locked out goes last") {
  World w({.tracked = 1000});
  w.fail(10, "192.0.2.1", "victim");
  CHECK(w.locked() == "address 192.0.2.1;account victim;");
  for (int i = 0; i < 20'000; ++i)
    w.fail(fmt::format("2001:db8:{:x}::1", i).c_str(), fmt::format("user{}", i));
  CHECK(w.locked() == "address 192.0.2.1;account victim;");
  CHECK(w.refused("192.0.2.1", ""));
  // Clients that are all locked out push out the oldest of them.
  for (int i = 0; i < 1100; ++i) w.fail(10, fmt::format("2001:db8:{:x}::1", i).c_str(), "");
  CHECK_FALSE(w.refused("192.0.2.1", ""));
  CHECK(w.guard.stats(w.loop).locked_out[0] <= 1000);
  CHECK(w.guard.stats(w.loop).locked_out[0] >= 999);
  // Nor do successes pile up.
  w.succeed("192.0.2.5", "victim");
  CHECK_FALSE(w.refused("192.0.2.5", "victim"));
  for (int i = 0; i < 1000; ++i) w.succeed(fmt::format("2001:db8:{:x}::1", i).c_str(), "a");
  CHECK(w.refused("192.0.2.5", "victim"));
}

TEST_CASE("a name of any length and bytes is one name") {
  World w;
  const std::string name(10'000, '\n');
  for (int i = 0; i < 10; ++i) w.fail(fmt::format("198.51.100.{}", i).c_str(), name);
  CHECK(w.guard.list(w.loop).at(0).subject.size() == 128);
  CHECK(w.refused("192.0.2.1", name));
  CHECK(w.guard.lift(name, w.loop) == 1);
}

TEST_CASE("all loops at once") {
  AuthGuard guard({.tracked = 1000});
  const auto work = [&guard](int seed) {
    TestLoop loop;
    for (int i = 0; i < 2000; ++i) {
      const std::string address = fmt::format("192.0.2.{}", (seed + i) % 50);
      const AuthGuard::Attempt attempt{spool::Origin::http, address, "acme"};
      if (guard.refuses(attempt, loop)) guard.lift(address, loop);
      if (i % 7 == 0)
        guard.succeeded(attempt, loop);
      else
        guard.failed(attempt, loop);
      if (i % 100 == 0) guard.list(loop);
    }
  };
  std::jthread one(work, 0), two(work, 10);
  one.join();
  two.join();
  TestLoop loop;
  CHECK(guard.stats(loop).failures[1] == 2 * (2000 - 286));
}
