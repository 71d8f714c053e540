// What an API key's policy says, asked at the door.
#include <doctest/doctest.h>

#include <optional>

#include "mta/intake/accept.h"
#include "tests/unit/intake/support.h"

using namespace relay;
using namespace relay::intake;

namespace {

struct Limited {
  test::TestLoop loop;
  test::Queue queue{loop};
  test::FakeWriter writer;
  test::FakeStore store;
  SeededRng rng{5};
  IntakeSettings settings{.host_name = "relay.example"};
  std::unique_ptr<KeyRing> keys;
  std::unique_ptr<Intake> intake_;
  std::optional<AcceptResult> result;

  Limited() {
    store.stored_keys = {test::plain_key("abcdefghjkmn")};
    limit({});
  }
  void limit(const spool::KeyPolicy& policy) {
    store.stored_keys[0].policy = policy;
    keys = std::move(*KeyRing::load(store, writer));
  }
  static Submission submission(const std::string& content = "From: a@a.example\r\n\r\nbody\r\n") {
    Submission s;
    s.envelope.reverse_path = "a@a.example";
    s.envelope.recipients = {{"b@b.example"}};
    s.content = std::make_shared<Body>(content);
    s.who = {"demo", "abcdefghjkmn"};
    s.peer = {"192.0.2.7", 1234};
    return s;
  }
  void start(Submission s) {
    intake_ = std::make_unique<Intake>(settings, writer, store, queue.dispatcher, *keys);
    result.reset();
    intake_->accept(std::move(s), loop, rng, [this](AcceptResult r) { result = std::move(r); });
  }
  spool::MessagePtr accepted(Submission s) {
    start(std::move(s));
    REQUIRE(writer.waiting.size() == 1);
    const auto operation = writer.commit();
    loop.run();
    REQUIRE(result.has_value());
    REQUIRE(result->has_value());
    return std::get<spool::Accept>(operation).message;
  }
  Refusal turned(Submission s, Refused reason) {
    start(std::move(s));
    CHECK_FALSE(result.has_value());  // never inside the call
    loop.run();
    REQUIRE(result.has_value());
    REQUIRE_FALSE(result->has_value());
    CHECK(result->error().reason == reason);
    CHECK(intake_->stats().refused[static_cast<std::size_t>(reason)] == 1);
    return result->error();
  }
  std::uint64_t sent() const { return keys->find("abcdefghjkmn")->use->sent(spool::day_of(loop.wall())); }
};

std::string received(int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += "Received: x\r\n";
  return out;
}

}  // namespace

TEST_CASE_FIXTURE(Limited,
                  "every rule of a key's policy is kept at the door, whatever the way in has asked") {
  const auto with = [](auto change) {
    spool::KeyPolicy policy;
    change(policy);
    return policy;
  };
  limit(with([](auto& p) { p.domains = {"a.example"}; }));
  accepted(submission());
  Submission s = submission();
  s.envelope.reverse_path = "x@b.example";
  CHECK(turned(std::move(s), Refused::sender).reply.code == 550);
  CHECK(turned(submission("From: x@b.example\r\n\r\n"), Refused::sender).reply.code == 550);
  s = submission();
  s.envelope.reverse_path.clear();
  accepted(std::move(s));
  limit(with([](auto& p) { p.networks = {"198.51.100.0/24"}; }));
  CHECK(turned(submission(), Refused::network).reply.code == 550);
  limit(with([](auto& p) { p.message_bytes = 10; }));
  CHECK(turned(submission(), Refused::too_large).reply.code == 552);
  limit(with([](auto& p) { p.recipients = 1; }));
  s = submission();
  s.envelope.recipients = {{"b@b.example"}, {"b@b.example"}};
  accepted(std::move(s));  // one, after merging
  s = submission();
  s.envelope.recipients = {{"b@b.example"}, {"c@b.example"}};
  CHECK(turned(std::move(s), Refused::too_many_recipients).reply.code == 452);
  store.stored_keys[0].revoked = loop.wall();
  limit({});
  CHECK(turned(submission(), Refused::key).reply.text() ==
        "550 5.7.1 This key does not count any more; use another");
  s = submission();
  s.who.key = "unknown";
  turned(std::move(s), Refused::key);
}

TEST_CASE_FIXTURE(Limited, "rate and day are counted for messages that are stored, and for no others") {
  spool::KeyPolicy policy;
  policy.rate = 500;
  policy.daily = 3;
  limit(policy);
  CHECK(accepted(submission())->key.value == "abcdefghjkmn");
  CHECK(sent() == 1);
  turned(submission("X: " + received(150) + "\r\n"), Refused::loop);
  start(submission());
  REQUIRE(writer.waiting.size() == 1);
  CHECK(std::get<spool::Accept>(writer.waiting[0].operation).counted);
  CHECK(sent() == 2);
  writer.commit(fail(Errc::full, "of the test"));
  loop.run();
  CHECK(sent() == 1);
  writer.full = true;
  turned(submission(), Refused::busy);
  writer.full = false;
  CHECK(sent() == 1);
  accepted(submission());  // two at once
  const Refusal soon = turned(submission(), Refused::rate_limit);
  CHECK(soon.reply.text() ==
        "451 4.7.1 This key may send 0.5 messages a second, 2 at once; try again in 2 seconds");
  CHECK(soon.wait.count() == 2);
  loop.advance(std::chrono::seconds(2));
  accepted(submission());
  CHECK(sent() == 3);
  loop.advance(std::chrono::seconds(10));
  const Refusal full = turned(submission(), Refused::daily_limit);
  CHECK(
      full.reply.text().starts_with("452 4.7.1 This key may send 3 messages a day, and has; try again in "));
  CHECK(full.wait.count() > 3600);
}

TEST_CASE_FIXTURE(Limited, "what can be said before the content is said, and takes nothing") {
  spool::KeyPolicy policy;
  policy.domains = {"a.example"};
  policy.networks = {"192.0.2.0/24"};
  policy.message_bytes = 5000;
  policy.recipients = 7;
  policy.daily = 1;
  limit(policy);
  Intake intake(settings, writer, store, queue.dispatcher, *keys);
  const wire::Identity who{"demo", "abcdefghjkmn"};
  for (int i = 0; i < 3; ++i) CHECK_FALSE(intake.turn_away(who, "x@a.example", loop).has_value());
  CHECK_FALSE(intake.turn_away(who, std::nullopt, loop).has_value());
  CHECK(intake.turn_away(who, "x@b.example", loop)->reason == Refused::sender);
  CHECK_FALSE(intake.turn_away_client(who, "192.0.2.1").has_value());
  CHECK(intake.turn_away_client(who, "192.0.3.1")->reason == Refused::network);
  wire::Allowance allowed{1000, 1000};
  intake.narrow(who, allowed);
  CHECK(allowed.message_bytes == 1000);
  CHECK(allowed.recipients == 7);
  accepted(submission());
  CHECK(intake.turn_away(who, "x@a.example", loop)->reason == Refused::daily_limit);
  CHECK(intake.stats().refused[static_cast<std::size_t>(Refused::daily_limit)] == 1);
  CHECK(intake.turn_away({"demo", "unknown"}, "x@a.example", loop)->reason == Refused::key);
}

namespace {

const std::string keyed = "From: a@a.example\r\nX-Relay-Idempotency-Key: k\r\n\r\n";

}  // namespace

TEST_CASE_FIXTURE(Limited, "a message that was accepted is answered again whatever its key has used up") {
  spool::KeyPolicy policy;
  policy.daily = 1;
  policy.rate = 1;
  limit(policy);
  const auto first = accepted(submission(keyed));
  store.messages[first->idempotency()] = first->id;
  const auto again = [&] {
    start(submission(keyed));
    loop.run();
    CHECK_FALSE(intake_->turn_away(submission().who, "a@a.example", loop).has_value());
    REQUIRE(result.has_value());
    REQUIRE(result->has_value());
    CHECK((*result)->id == first->id);
  };
  again();
  turned(submission(), Refused::rate_limit);  // at the end of its content
  loop.advance(std::chrono::hours(1));
  again();
  turned(submission(), Refused::daily_limit);
  store.stored_days = {{{"abcdefghjkmn"}, spool::day_of(loop.wall()), 1}};
  limit(policy);  // as after a restart
  again();
  again();
}

TEST_CASE_FIXTURE(Limited,
                  "without idempotency keys limits are said before the content, again after the window") {
  spool::KeyPolicy policy;
  policy.rate = 1;
  limit(policy);
  const auto turned_at_mail = [&] {
    return intake_->turn_away(submission().who, "a@a.example", loop).has_value();
  };
  accepted(submission());
  CHECK(turned_at_mail());
  loop.advance(std::chrono::hours(1));
  accepted(submission(keyed));
  CHECK_FALSE(turned_at_mail());
  loop.advance(settings.idempotency_window - std::chrono::hours(1));
  accepted(submission());
  CHECK_FALSE(turned_at_mail());
  loop.advance(std::chrono::hours(1));
  accepted(submission());
  CHECK(turned_at_mail());
}

TEST_CASE_FIXTURE(Limited,
                  "who waits for another with the same idempotency key is judged by limits of its own") {
  spool::ApiKey other = test::plain_key("0123456789ab");
  store.stored_keys.push_back(other);
  spool::KeyPolicy policy;
  policy.rate = 1;
  limit(policy);  // the first key's
  accepted(submission());
  start(submission(keyed));
  std::optional<AcceptResult> others;
  Submission theirs = submission(keyed);
  theirs.who.key = other.id.value;
  intake_->accept(std::move(theirs), loop, rng, [&](AcceptResult r) { others = std::move(r); });
  loop.run();
  REQUIRE(result.has_value());
  CHECK(result->error().reason == Refused::rate_limit);
  REQUIRE(writer.waiting.size() == 1);
  writer.commit();
  loop.run();
  REQUIRE(others.has_value());
  CHECK(others->has_value());
}

TEST_CASE_FIXTURE(Limited, "an idempotency key of the sandbox does not answer for a message that is sent") {
  store.messages[{{"demo"}, "k", true}] = MessageId::make(loop.wall(), rng);
  accepted(submission(keyed));
}

TEST_CASE_FIXTURE(Limited,
                  "a message of the sandbox counts, one answered with the first of its key does not") {
  spool::KeyPolicy policy;
  policy.daily = 2;
  limit(policy);
  Submission s = submission("From: a@a.example\r\nX-Relay-Sandbox: yes\r\n\r\n");
  start(std::move(s));
  CHECK(std::get<spool::Restore>(writer.commit()).counted);
  loop.run();
  CHECK(sent() == 1);
  const auto first = accepted(submission("From: a@a.example\r\nX-Relay-Idempotency-Key: k\r\n\r\n"));
  store.messages[{{"demo"}, "k"}] = first->id;
  start(submission("From: a@a.example\r\nX-Relay-Idempotency-Key: k\r\n\r\n"));
  loop.run();
  REQUIRE(result.has_value());
  REQUIRE(result->has_value());
  CHECK((*result)->id == first->id);
  CHECK(sent() == 2);
  turned(submission("From: a@a.example\r\nX-Relay-Idempotency-Key: other\r\n\r\n"), Refused::daily_limit);
}
