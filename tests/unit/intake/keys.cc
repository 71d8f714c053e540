#include "mta/intake/keys.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>

#include "tests/unit/intake/support.h"

using namespace relay;
using namespace relay::intake;

namespace {

struct Fixture {
  test::TestLoop loop;
  test::FakeWriter writer;
  test::FakeStore store;
  SeededRng rng{5};
  std::unique_ptr<KeyRing> keys;

  Fixture() { load(); }
  void load() {
    auto loaded = KeyRing::load(store, writer);
    REQUIRE(loaded.has_value());
    keys = *std::move(loaded);
  }
  KeyRing::Created create(const std::string& account) {
    std::optional<Result<KeyRing::Created>> made;
    keys->create({account}, "a label", {}, loop, rng,
                 [&](Result<KeyRing::Created> r) { made = std::move(r); });
    CHECK_FALSE(made.has_value());
    REQUIRE(writer.waiting.size() == 1);
    const auto stored = std::get<spool::PutKey>(writer.commit()).key;
    loop.run();
    REQUIRE(made.has_value());
    REQUIRE(made->has_value());
    CHECK((*made)->key.hash == stored.hash);
    CHECK((*made)->key.id == stored.id);
    return std::move(**made);
  }
  Result<void> revoke(const KeyId& id) {
    std::optional<Result<void>> got;
    keys->revoke(id, loop, [&](Result<void> r) { got = std::move(r); });
    CHECK_FALSE(got.has_value());
    while (!writer.waiting.empty()) writer.commit();
    loop.run();
    REQUIRE(got.has_value());
    return *got;
  }
};

}  // namespace

TEST_CASE("the form of a key") {
  SeededRng rng(1);
  const auto made = KeyRing::make({"demo"}, "first", WallTime(std::chrono::milliseconds(5)), rng);
  const auto text = made.text.reveal();
  REQUIRE(text.size() == 3 + 12 + 1 + 32);
  CHECK(text.starts_with("rk_" + made.key.id.value + "_"));
  CHECK(std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '_'; }));
  CHECK(made.key.hash == sha256(text));
  CHECK(made.key.account.value == "demo");
  CHECK(made.key.label == "first");
  CHECK(made.key.created.time_since_epoch().count() == 5);
  CHECK_FALSE(made.key.revoked.has_value());
  CHECK(KeyRing::make({"demo"}, "", {}, rng).key.id != made.key.id);
}

TEST_CASE_FIXTURE(Fixture, "a key opens its account, under its id or its account's name") {
  const auto made = create("demo");
  const auto other = create("rk_other");
  const std::string text(made.text.reveal()), id = made.key.id.value;
  const auto who = keys->check(text, std::nullopt);
  REQUIRE(who.has_value());
  CHECK(who->account == "demo");
  CHECK(who->key == id);
  for (const std::string& user : {id, "rk_" + id, std::string("demo")}) {
    CAPTURE(user);
    CHECK(keys->check(text, user).has_value());
  }
  CHECK(keys->check(other.text.reveal(), "rk_other").has_value());
  for (const std::string& user : {std::string(), std::string("Demo"), std::string("rk_demo"),
                                  std::string("rk_"), other.key.id.value, id + "x", text}) {
    CAPTURE(user);
    CHECK_FALSE(keys->check(text, user).has_value());
  }
}

TEST_CASE_FIXTURE(Fixture, "a name leads to its key's account, and never shows a secret") {
  const auto made = create("acme");
  const std::string id = made.key.id.value, whole(made.text.reveal());
  CHECK(keys->account_named(id) == "acme");
  CHECK(keys->account_named("rk_" + id) == "acme");
  CHECK(keys->account_named(whole) == "acme");
  CHECK(keys->account_named("rk_" + id + "_mistyped") == "acme");
  for (const char* unknown : {"", "acme", "rk_", "rk_000000000000"})
    CHECK_FALSE(keys->account_named(unknown));
  CHECK(keys->public_name(whole) == "rk_" + id);
  CHECK(keys->public_name(whole.substr(0, 40)) == "rk_" + id);
  for (const char* plain : {"someone@example.org", "mark_twain@example.org", "rk_other", "", "rk_",
                            "20260921-1234567890123456789012", "some-account-with-a-long-name-2024"})
    CHECK(keys->public_name(plain) == plain);
  const std::string secret = whole.substr(16);
  std::string upper = whole;
  for (auto& c : upper) c = static_cast<char>(std::toupper(c));
  for (const std::string& typed :
       {"user:" + whole, " " + whole, whole + " ", "acme " + whole, whole + "@example.org", "\t" + upper,
        "rk_" + id + " " + secret, "rk_" + id + secret, "rk_" + secret, secret, "acme:" + secret,
        "acme/" + secret.substr(0, 20), secret + ":" + whole, "rk_ " + id + " " + secret,
        "rk_" + id + "_" + secret.substr(0, 6) + " " + secret.substr(6), whole + whole}) {
    CAPTURE(typed);
    std::string shown = keys->public_name(typed);
    CAPTURE(shown);
    for (auto& c : shown) c = static_cast<char>(std::tolower(c));
    for (std::size_t at = 0; at + 6 <= secret.size(); ++at) CHECK_FALSE(shown.contains(secret.substr(at, 6)));
  }
  CHECK(keys->public_name("user:" + whole) == "user:rk_" + id);
  CHECK(keys->public_name(secret) == keys->public_name(secret));  // and tells it from others
  CHECK(keys->public_name(secret) != keys->public_name(secret.substr(1)));
}

TEST_CASE_FIXTURE(Fixture, "an account that is named like a secret goes by its name") {
  for (const std::string name :
       {"507f1f77bcf86cd799439011", "9e107d9d372bb6826bd81d3542a419d6", "rk_9e107d9d372bb682"}) {
    CAPTURE(name);
    CHECK(keys->public_name(name).contains("[hidden"));
    const auto made = create(name);
    CHECK(keys->public_name(name) == name);
    CHECK(keys->public_name(made.key.id.value) == made.key.id.value);
    CHECK(keys->public_name(name + "0").contains("[hidden"));
  }
}

TEST_CASE_FIXTURE(Fixture, "every other text opens nothing") {
  const auto made = create("demo");
  const std::string text(made.text.reveal());
  for (std::size_t i = 0; i <= text.size(); ++i) {
    CHECK_FALSE(keys->check(text.substr(0, i) + (i < text.size() ? "" : "x"), std::nullopt).has_value());
    if (i == text.size()) break;
    std::string changed = text;
    changed[i] = changed[i] == 'a' ? 'b' : 'a';
    CHECK_FALSE(keys->check(changed, std::nullopt).has_value());
    changed = text;
    changed[i] = '\0';
    CHECK_FALSE(keys->check(changed, std::nullopt).has_value());
  }
  std::string upper = text;
  for (auto& c : upper) c = static_cast<char>(std::toupper(c));
  CHECK_FALSE(keys->check(upper, std::nullopt).has_value());
}

TEST_CASE_FIXTURE(Fixture, "a key counts once it is committed, and not if that fails") {
  std::optional<Result<KeyRing::Created>> made;
  const auto keep = [&](Result<KeyRing::Created> r) { made = std::move(r); };
  keys->create({"demo"}, "", {}, loop, rng, keep);
  loop.run();
  CHECK(keys->list().empty());
  writer.commit(fail(Errc::system, "of the test"));
  loop.run();
  REQUIRE(made.has_value());
  CHECK(made->error().message == "of the test");
  CHECK(keys->list().empty());

  made.reset();
  writer.full = true;
  keys->create({"demo"}, "", {}, loop, rng, keep);
  CHECK_FALSE(made.has_value());
  loop.run();
  REQUIRE(made.has_value());
  CHECK(made->error().code == Errc::full);
}

TEST_CASE_FIXTURE(Fixture, "revoking") {
  const auto made = create("demo");
  const auto kept = create("demo");
  CHECK(revoke({"nosuchkey000"}).error().code == Errc::not_found);
  const auto at = loop.wall();
  CHECK(revoke(made.key.id).has_value());
  CHECK_FALSE(keys->check(made.text.reveal(), std::nullopt).has_value());
  CHECK(keys->check(kept.text.reveal(), std::nullopt).has_value());
  loop.advance(std::chrono::hours(1));
  CHECK(revoke(made.key.id).has_value());  // again: the first time stands
  const auto all = keys->list();
  REQUIRE(all.size() == 2);
  const auto found = std::ranges::find(all, made.key.id, &spool::ApiKey::id);
  CHECK(found->revoked == at);
}

TEST_CASE_FIXTURE(Fixture, "a revocation that is not committed changes nothing") {
  const auto made = create("demo");
  std::optional<Result<void>> got;
  keys->revoke(made.key.id, loop, [&](Result<void> r) { got = std::move(r); });
  CHECK(keys->check(made.text.reveal(), std::nullopt).has_value());
  writer.commit(fail(Errc::full, "of the test"));
  loop.run();
  REQUIRE(got.has_value());
  CHECK_FALSE(got->has_value());
  CHECK(keys->check(made.text.reveal(), std::nullopt).has_value());
}

TEST_CASE_FIXTURE(Fixture, "keys of the store are known after a start") {
  const auto first = KeyRing::make({"one"}, "", WallTime(std::chrono::milliseconds(2)), rng);
  auto second = KeyRing::make({"two"}, "", WallTime(std::chrono::milliseconds(1)), rng);
  second.key.revoked = WallTime(std::chrono::milliseconds(3));
  store.stored_keys = {first.key, second.key};
  load();
  CHECK(keys->check(first.text.reveal(), "one").has_value());
  CHECK_FALSE(keys->check(second.text.reveal(), "two").has_value());
  const auto all = keys->list();
  REQUIRE(all.size() == 2);
  CHECK(all[0].account.value == "two");  // by time of making
  store.broken = true;
  CHECK(KeyRing::load(store, writer).error().code == Errc::corrupt);
}

TEST_CASE_FIXTURE(Fixture, "a policy counts once it is committed, for those who hold the key already") {
  const auto made = create("demo");
  const std::string id = made.key.id.value;
  const auto before = keys->find(id);
  REQUIRE(before != nullptr);
  CHECK(before->key.policy == spool::KeyPolicy());
  spool::KeyPolicy policy;
  policy.networks = {"192.0.2.0/24", "nonsense"};
  policy.sessions = 3;
  std::optional<Result<void>> got;
  const auto keep = [&](Result<void> r) { got = std::move(r); };
  const auto edit = [&](spool::ApiKey& key) {
    key.label = "new";
    key.policy = policy;
    return true;
  };
  CHECK(keys->set(made.key.id, edit, loop, keep));
  CHECK(keys->find(id) == before);
  std::optional<Result<void>> second;
  keys->revoke(made.key.id, loop, [&](Result<void> r) { second = std::move(r); });
  loop.run();
  REQUIRE(second.has_value());
  CHECK(second->error().code == Errc::conflict);  // it would have been made of the key before
  writer.commit();
  loop.run();
  REQUIRE(got.has_value());
  CHECK(got->has_value());
  const auto after = keys->find(id);
  CHECK(after->key.policy == policy);
  CHECK(after->key.label == "new");
  CHECK(after->key.hash == made.key.hash);
  CHECK(after->networks.size() == 1);
  CHECK(after->use == before->use);
  CHECK(revoke(made.key.id).has_value());
  CHECK(keys->find(id)->key.policy == policy);
  CHECK(keys->find("nobody") == nullptr);
  CHECK(keys->set({"nobody"}, edit, loop, keep));
  loop.run();
  CHECK(got->error().code == Errc::not_found);
}

TEST_CASE_FIXTURE(Fixture,
                  "a change begins with what the one before has left, and one that is given up blocks none") {
  const auto made = create("demo");
  const auto done = [](const Result<void>& r) { CHECK(r.has_value()); };
  const auto change = [&](auto edit) {
    const bool asked = keys->set(made.key.id, edit, loop, done);
    if (asked) writer.commit();
    loop.run();
    return asked;
  };
  CHECK(change([](spool::ApiKey& key) { return key.policy.sessions = 3, true; }));
  CHECK_FALSE(change([](spool::ApiKey& key) { return key.policy.sessions = 4, false; }));
  CHECK_THROWS(change([](spool::ApiKey&) -> bool { throw 1; }));
  CHECK(change([](spool::ApiKey& key) { return key.policy.recipients = 5, true; }));
  const auto known = keys->find(made.key.id.value);
  CHECK(known->key.policy.sessions == 3);
  CHECK(known->key.policy.recipients == 5);
  writer.full = true;
  std::optional<Result<void>> got;
  const auto rename = [](spool::ApiKey& key) { return key.label = "x", true; };
  CHECK(keys->set(made.key.id, rename, loop, [&](Result<void> r) { got = std::move(r); }));
  loop.run();
  CHECK(got->error().code == Errc::full);
  writer.full = false;
  CHECK(change(rename));
  CHECK(keys->set(made.key.id, rename, loop, done));
  keys.reset();  // the answer of the writer comes after it, or never
  writer.waiting.clear();
}

TEST_CASE_FIXTURE(Fixture, "what a key has sent today is known at the start") {
  const auto made = create("demo");
  store.stored_keys = {made.key};
  store.stored_days = {{made.key.id, 5, 17}, {{"gone"}, 5, 1}};
  load();
  CHECK(keys->find(made.key.id.value)->use->sent(5) == 17);
  CHECK(keys->find(made.key.id.value)->use->sent(6) == 0);
}
