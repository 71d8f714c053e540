#include "mta/intake/accept.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>

#include "mta/wire/address.h"
#include "tests/unit/intake/support.h"

using namespace relay;
using namespace relay::intake;
using namespace std::string_literals;

namespace {

struct Fixture {
  test::TestLoop loop;
  test::Queue queue{loop};
  test::FakeWriter writer;
  test::FakeStore store;
  SeededRng rng{5};
  IntakeSettings settings{.host_name = "relay.example"};
  std::optional<AcceptResult> result;

  static Submission submission(
      const std::string& content = "From: a@a.example\r\nSubject: Hi\r\n\r\nbody\r\n") {
    Submission s;
    s.envelope.reverse_path = "a@a.example";
    s.envelope.recipients = {{"b@b.example"}};
    s.content = std::make_shared<Body>(content);
    s.who = {"demo", "abcdefghjkmn"};
    s.helo = "client.example";
    s.peer = {"192.0.2.7", 1234};
    s.protocol = "ESMTPSA";
    return s;
  }
  Fixture() { store.stored_keys = {test::plain_key("abcdefghjkmn")}; }
  void start(Submission s) {
    keys = std::move(*KeyRing::load(store, writer));
    intake_ = std::make_unique<Intake>(settings, writer, store, queue.dispatcher, *keys);
    result.reset();
    intake_->accept(std::move(s), loop, rng, [this](AcceptResult r) {
      CHECK_FALSE(result.has_value());
      result = std::move(r);
    });
    CHECK_FALSE(result.has_value());  // never inside the call
  }
  // The message as it was committed.
  spool::MessagePtr accepted(Submission s) {
    start(std::move(s));
    loop.run();
    REQUIRE_FALSE(result.has_value());  // not before the commit
    REQUIRE(writer.waiting.size() == 1);
    const auto operation = std::get<spool::Accept>(writer.commit());
    CHECK_FALSE(result.has_value());
    CHECK(operation.due == operation.message->since());
    loop.run();
    REQUIRE(result.has_value());
    REQUIRE(result->has_value());
    CHECK((*result)->id == operation.message->id);
    CHECK((*result)->at == loop.wall());
    return operation.message;
  }
  std::string content(const std::string& given) { return accepted(submission(given))->body->flatten(); }
  wire::Reply refused(Submission s) {
    const auto before = queue.scheduler.stats().open;
    start(std::move(s));
    loop.run();
    REQUIRE(result.has_value());
    REQUIRE_FALSE(result->has_value());
    CHECK(writer.waiting.empty());
    CHECK(queue.scheduler.stats().open == before);
    return result->error().reply;
  }
  std::unique_ptr<KeyRing> keys;
  std::unique_ptr<Intake> intake_;
};

std::string received(int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += i % 2 ? "received: x\r\n" : "Received: from a\r\n\tby b; Mon\r\n";
  return out;
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "an accepted message, field for field") {
  auto s = submission(
      "From: =?utf-8?q?J=C3=BC?= <a@a.example>\r\nSubject: =?utf-8?b?w6Q=?=\r\n x\r\n\r\n.\r\nbody");
  s.attributes.tags = {"t1", "t2"};
  s.origin = spool::Origin::http;
  const auto message = accepted(std::move(s));
  CHECK(message->accepted == loop.wall());
  CHECK(message->id.time() == loop.wall());
  CHECK(message->account.value == "demo");
  CHECK(message->key.value == "abcdefghjkmn");
  CHECK(message->origin == spool::Origin::http);
  CHECK(message->from == "J\xc3\xbc <a@a.example>");
  CHECK(message->subject == "\xc3\xa4 x");
  CHECK(message->rfc_message_id == message->id.text() + "@relay.example");
  CHECK(message->tags == std::vector<std::string>{"t1", "t2"});
  CHECK(message->envelope.reverse_path == "a@a.example");
  CHECK_FALSE(message->envelope.eight_bit);
  CHECK_FALSE(message->envelope.smtputf8);
  CHECK(message->size == message->body->size());
  CHECK(queue.scheduler.stats().open == 1);
  CHECK(message->body->flatten() ==
        "Received: from client.example ([192.0.2.7])\r\n\tby relay.example with ESMTPSA id " +
            message->id.text() +
            "\r\n\tfor <b@b.example>;\r\n\tMon, 21 Sep 2026 14:13:20 +0000\r\n"
            "Date: Mon, 21 Sep 2026 14:13:20 +0000\r\n"
            "Message-ID: <" +
            message->id.text() +
            "@relay.example>\r\n"
            "From: =?utf-8?q?J=C3=BC?= <a@a.example>\r\nSubject: =?utf-8?b?w6Q=?=\r\n x\r\n\r\n.\r\nbody");
}

TEST_CASE_FIXTURE(Fixture, "what is added stands in a segment of its own; the rest is not touched") {
  auto s = submission("Date: x\r\nMessage-Id: <own@a.example>\r\n\r\n");
  s.content->append("second\r\n");
  const auto message = accepted(std::move(s));
  REQUIRE(message->body->segments().size() == 3);
  CHECK(message->body->segments()[0].starts_with("Received: "));
  CHECK_FALSE(message->body->segments()[0].contains("Date:"));
  CHECK_FALSE(message->body->segments()[0].contains("Message-ID:"));
  CHECK(message->body->segments()[1] == "Date: x\r\nMessage-Id: <own@a.example>\r\n\r\n");
  CHECK(message->body->segments()[2] == "second\r\n");
  CHECK(message->rfc_message_id == "own@a.example");
}

TEST_CASE_FIXTURE(Fixture, "the Received field") {
  const auto field = [&](Submission s) {
    const auto text = accepted(std::move(s))->body->segments()[0];
    CHECK(std::ranges::count(text, '\n') <= 6);
    return text.substr(0, text.find(" id "));
  };
  auto s = submission();
  s.helo = "bad name (\r\nX: y";
  CHECK(field(std::move(s)) == "Received: from [192.0.2.7] ([192.0.2.7])\r\n\tby relay.example with ESMTPSA");
  s = submission();
  s.peer.address = "2001:db8::1";
  s.helo = "[IPv6:2001:db8::1]";
  s.protocol = "ESMTPA";
  CHECK(field(std::move(s)) ==
        "Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n\tby relay.example with ESMTPA");
  s = submission();
  s.peer.address.clear();  // over the Unix socket
  s.helo.clear();
  s.protocol = "HTTP";
  CHECK(field(std::move(s)) == "Received: by relay.example with HTTP");
  s = submission();
  s.envelope.recipients.push_back({"c@c.example"});  // RFC 5321 7.2
  CHECK_FALSE(accepted(std::move(s))->body->segments()[0].contains("for <"));
}

TEST_CASE_FIXTURE(Fixture, "content without a header section keeps its first line") {
  struct Case {
    std::string content;
    bool separated;
  };
  for (const auto& c : {Case{"Just text\r\nmore\r\n", true}, Case{"\r\nbody\r\n", false}, Case{"", false},
                        Case{" starts with a blank: x\r\n", true}, Case{"Subject: x\r\n", false},
                        Case{"Subject: x\r\njunk\r\n\r\nbody", false}, Case{"X", true}}) {
    CAPTURE(c.content);
    const auto message = accepted(submission(c.content));
    const auto text = message->body->flatten();
    CHECK(text.ends_with(c.content));
    const auto added = text.substr(0, text.size() - c.content.size());
    CHECK(added.ends_with("@relay.example>\r\n" + (c.separated ? "\r\n"s : ""s)));
  }
  auto s = submission("\r");  // an empty line in two segments
  s.content->append("\nbody");
  CHECK(accepted(std::move(s))->body->flatten().ends_with("@relay.example>\r\n\r\nbody"));
}

TEST_CASE_FIXTURE(Fixture, "however the content is cut, the message is the same") {
  const std::string given = "From: a\r\nDate: x\r\n y\r\nSubject: s\r\n t\r\nReceived: x\r\n\r\nbody\r\n";
  std::string expected;
  for (std::size_t cut = 0; cut <= given.size(); ++cut) {
    auto s = submission(given.substr(0, cut));
    s.content->append(given.substr(cut));
    rng = SeededRng(9);
    const auto message = accepted(std::move(s));
    if (cut == 0) expected = message->body->flatten();
    CHECK(message->body->flatten() == expected);
    CHECK(message->subject == "s t");
  }
}

TEST_CASE_FIXTURE(Fixture, "flags say what the message needs") {
  auto s = submission("Subject: x\r\n\r\n" + std::string(10000, 'x') + "\xe4\r\n");
  CHECK(accepted(std::move(s))->envelope.eight_bit);
  s = submission();
  s.envelope.eight_bit = true;  // declared
  CHECK(accepted(std::move(s))->envelope.eight_bit);
  s = submission();
  s.content->append("\x80");
  CHECK(accepted(std::move(s))->envelope.eight_bit);
  s = submission();
  s.envelope.recipients.push_back({"j\xc3\xbc@b.example"});
  CHECK(accepted(std::move(s))->envelope.smtputf8);
  s = submission();
  s.envelope.reverse_path = "j\xc3\xbc@b.example";
  CHECK(accepted(std::move(s))->envelope.smtputf8);
}

TEST_CASE_FIXTURE(Fixture, "the summary is bounded UTF-8, whatever the header section holds") {
  const std::string junk = "\xff\x01" + std::string(5000, '\xe4') + "\x1b[31m";
  const auto message = accepted(
      submission("From: " + junk + "\r\nSubject: " + junk + "\r\nMessage-ID: <" + junk + ">\r\n\r\n"));
  for (const auto& text : {message->from, message->subject, message->rfc_message_id}) {
    CHECK(text.size() <= 256);
    CHECK(text.size() > 200);
    CHECK(wire::valid_utf8(text));
    CHECK_FALSE(text.contains('\x1b'));
  }
}

TEST_CASE_FIXTURE(Fixture, "recipients named twice get one message, in order") {
  auto s = submission();
  s.envelope.recipients = {
      {"b@b.example"}, {"c@c.example"}, {"b@b.example"}, {"B@b.example"}, {"c@c.example"}};
  const auto message = accepted(std::move(s));
  REQUIRE(message->envelope.recipients.size() == 3);
  CHECK(message->envelope.recipients[0].address == "b@b.example");
  CHECK(message->envelope.recipients[1].address == "c@c.example");
  CHECK(message->envelope.recipients[2].address ==
        "B@b.example");  // RFC 5321 2.4: local parts may differ in case
  CHECK(queue.scheduler.stats().open == 3);
}

TEST_CASE_FIXTURE(Fixture, "refusals") {
  auto s = submission();
  s.envelope.recipients.clear();
  CHECK(refused(std::move(s)).code == 554);

  settings.recipients = 2;
  s = submission();
  s.envelope.recipients = {{"a@b.example"}, {"b@b.example"}, {"a@b.example"}};
  accepted(std::move(s));  // two, after merging
  s = submission();
  s.envelope.recipients = {{"a@b.example"}, {"b@b.example"}, {"c@b.example"}};
  auto reply = refused(std::move(s));
  CHECK(reply.code == 452);
  CHECK(reply.enhanced == "4.5.3");

  s = submission();
  settings.message_bytes = s.content->size();
  accepted(std::move(s));
  s = submission();
  s.content->append("x");
  reply = refused(std::move(s));
  CHECK(reply.code == 552);
  CHECK(reply.enhanced == "5.3.4");

  settings = IntakeSettings{.host_name = "relay.example"};
  accepted(submission(received(100) + "\r\n" + received(50)));
  reply = refused(submission(received(101) + "\r\n"));
  CHECK(reply.code == 554);
  CHECK(reply.enhanced == "5.4.6");

  settings.header_bytes = 1000;
  reply = refused(submission("X: " + std::string(2000, 'x') + "\r\n\r\n"));
  CHECK(reply.code == 552);
}

TEST_CASE_FIXTURE(Fixture, "what is accepted and what is refused is counted, each by its kind") {
  const auto message = accepted(submission());
  IntakeStats stats = intake_->stats();
  CHECK(stats.from_smtp == (message->origin == spool::Origin::smtp));
  CHECK(stats.from_http == (message->origin == spool::Origin::http));
  CHECK(stats.recipients == message->envelope.recipients.size());
  CHECK(stats.bytes == message->size);
  CHECK(stats.refused == IntakeStats{}.refused);
  const auto counted = [this](Submission s, Refused reason) {
    refused(std::move(s));
    IntakeStats expected;
    expected.refused[static_cast<std::size_t>(reason)] = 1;
    CHECK_MESSAGE(intake_->stats().refused == expected.refused, text(reason));
    CHECK(intake_->stats().bytes == 0);
  };
  counted(submission(received(101) + "\r\n"), Refused::loop);
  settings.header_bytes = 1000;
  counted(submission("X: " + std::string(2000, 'x') + "\r\n\r\n"), Refused::header_too_large);
  settings.message_bytes = 100;
  counted(submission("X: " + std::string(200, 'x') + "\r\n\r\n"), Refused::too_large);
  settings = {};
  Submission nobody = submission();
  nobody.envelope.recipients.clear();
  counted(std::move(nobody), Refused::no_recipients);
  settings.recipients = 0;
  counted(submission(), Refused::too_many_recipients);
  settings = {};
  writer.full = true;
  counted(submission(), Refused::busy);
  writer.full = false;
  for (const auto& [code, reason] : {std::pair(Errc::full, Refused::full),
                                     {Errc::unavailable, Refused::unavailable},
                                     {Errc::system, Refused::failed}}) {
    start(submission());
    writer.commit(fail(code, "of the test"));
    loop.run();
    CHECK(intake_->stats().refused[static_cast<std::size_t>(reason)] == 1);
  }
}

TEST_CASE_FIXTURE(Fixture, "a full writer and a failed commit are temporary; nothing is queued") {
  writer.full = true;
  auto reply = refused(submission());
  CHECK(reply.code == 452);
  CHECK(reply.enhanced == "4.3.1");
  writer.full = false;
  for (const auto& [code, expected, enhanced] : {std::tuple(Errc::full, 452, "4.3.1"),
                                                 {Errc::unavailable, 452, "4.3.1"},
                                                 {Errc::corrupt, 451, "4.3.0"},
                                                 {Errc::system, 451, "4.3.0"}}) {
    start(submission());
    writer.commit(fail(code, "of the test"));
    loop.run();
    REQUIRE(result.has_value());
    REQUIRE_FALSE(result->has_value());
    CHECK(result->error().reply.code == expected);
    CHECK(result->error().reply.enhanced == enhanced);
    CHECK(queue.scheduler.stats().open == 0);
  }
}

TEST_CASE_FIXTURE(Fixture, "what the store is known to be is said before there is a message, and counted") {
  keys = std::move(*KeyRing::load(store, writer));
  Intake intake(settings, writer, store, queue.dispatcher, *keys);
  CHECK_FALSE(intake.turn_away().has_value());
  using spool::WriterState;
  for (const auto& [state, reason, code] : {std::tuple(WriterState::busy, Refused::busy, 452),
                                            {WriterState::full, Refused::full, 452},
                                            {WriterState::unavailable, Refused::unavailable, 452},
                                            {WriterState::failed, Refused::failed, 451}}) {
    writer.known.state = state;
    const auto refusal = intake.turn_away();
    REQUIRE(refusal.has_value());
    CHECK(refusal->reason == reason);
    CHECK(refusal->reply.code == code);
    CHECK(refusal->reply.enhanced == (code == 452 ? "4.3.1" : "4.3.0"));
    CHECK(intake.stats().refused[static_cast<std::size_t>(reason)] == 1);
  }
  writer.known.state = WriterState::accepting;
  CHECK_FALSE(intake.turn_away().has_value());
}
