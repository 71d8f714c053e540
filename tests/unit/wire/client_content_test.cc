// What is sent: parameters of MAIL by what the host offers, and content by the block, each block timed.
#include <doctest/doctest.h>

#include <string>

#include "mta/wire/client_extensions.h"
#include "tests/unit/wire/client_script.h"

using namespace relay;
using namespace relay::wire;

namespace {

const Instant start_time{std::chrono::seconds(1000)};

ClientSettings settings() {
  ClientSettings s;
  s.ehlo_name = "me";
  s.tls = ClientSettings::Tls::none;
  return s;
}

// A dialog that has been greeted with these EHLO lines.
struct Session {
  explicit Session(std::string_view ehlo_lines, ClientSettings s = settings())
      : dialog(std::move(s), start_time) {
    dialog.on_open({"192.0.2.1", 25}, nullptr, start_time);
    say("220 mx\r\n");
    say("250-mx\r\n" + std::string(ehlo_lines) + "250 HELP\r\n");
    REQUIRE(dialog.ready());
    dialog.output().take();
  }
  std::string say(std::string_view bytes) {
    dialog.on_bytes(bytes, now);
    return dialog.output().take_text();
  }
  std::string start(Transaction t) {
    dialog.start(std::move(t), now);
    return dialog.output().take_text();
  }
  Instant now = start_time;
  ClientDialog dialog;
};

Transaction message(std::string content) {
  Transaction t;
  t.reverse_path = "s@x";
  t.recipients = {"a@x"};
  t.body = std::make_shared<const Body>(std::move(content));
  return t;
}

}  // namespace

TEST_CASE("client dialog: parameters of MAIL") {
  const struct {
    std::string_view offered;
    bool utf8, eight_bit;
    std::string_view sent, lacks;
  } cases[] = {
      {"", false, false, "MAIL FROM:<s@x>\r\n", ""},
      {"250-SIZE\r\n", false, false, "MAIL FROM:<s@x> SIZE=12\r\n", ""},
      {"250-SIZE 0\r\n", false, false, "MAIL FROM:<s@x> SIZE=12\r\n", ""},
      {"250-size 12\r\n", false, false, "MAIL FROM:<s@x> SIZE=12\r\n", ""},
      {"250-SIZE 11\r\n", false, false, "", "SIZE"},
      {"250-SIZE lots\r\n", false, false, "MAIL FROM:<s@x> SIZE=12\r\n", ""},
      {"250-SIZE 99999999999999999999999\r\n", false, false, "MAIL FROM:<s@x> SIZE=12\r\n", ""},
      {"250-SIZES 1\r\n", false, false, "MAIL FROM:<s@x>\r\n", ""},
      {"250-8BITMIME\r\n", false, false, "MAIL FROM:<s@x>\r\n", ""},
      {"250-8bitmime\r\n", false, true, "MAIL FROM:<s@x> BODY=8BITMIME\r\n", ""},
      {"", false, true, "MAIL FROM:<s@x>\r\n", ""},  // sent as it is
      {"250-SMTPUTF8\r\n", false, false, "MAIL FROM:<s@x>\r\n", ""},
      {"250-SMTPUTF8\r\n", true, false, "MAIL FROM:<s@x> SMTPUTF8\r\n", ""},
      {"250-8BITMIME\r\n", true, true, "", "SMTPUTF8"},
      {"250-SMTPUTF8\r\n250-SIZE 5000\r\n250-8BITMIME\r\n", true, true,
       "MAIL FROM:<s@x> SIZE=12 BODY=8BITMIME SMTPUTF8\r\n", ""},
  };
  for (const auto& c : cases) {
    CAPTURE(c.offered);
    Session session(c.offered);
    Transaction t = message("0123456789\r\n");
    t.smtputf8 = c.utf8;
    t.eight_bit = c.eight_bit;
    CHECK(session.start(std::move(t)) == c.sent);
    const auto result = session.dialog.take_result();
    CHECK(result.has_value() == !c.lacks.empty());
    if (!result) continue;
    CHECK(session.dialog.ready());
    REQUIRE(result->recipients.size() == 1);
    CHECK(result->recipients[0].stage == Stage::mail);
    CHECK(std::get<Unsupported>(result->recipients[0].answer).extension == c.lacks);
    CHECK_FALSE(session.dialog.take_result().has_value());
  }
}

TEST_CASE("client dialog: a hundred recipients are one transaction") {
  Session session("250-PIPELINING\r\n");
  Transaction t = message("x\r\n");
  std::string wanted = "MAIL FROM:<s@x>\r\n", replies = "250 ok\r\n";
  t.recipients.clear();
  for (int i = 0; i < 100; ++i) {
    t.recipients.push_back("r" + std::to_string(i) + "@x");
    wanted += "RCPT TO:<r" + std::to_string(i) + "@x>\r\n";
    replies += i % 2 == 0 ? "250 ok\r\n" : "550 5.1.1 no\r\n";
  }
  CHECK(session.start(std::move(t)) == wanted + "DATA\r\n");
  CHECK(session.say(replies + "354 go\r\n") == "x\r\n.\r\n");
  session.say("250 taken\r\n");
  const auto result = session.dialog.take_result();
  REQUIRE(result);
  REQUIRE(result->recipients.size() == 100);
  for (int i = 0; i < 100; ++i)
    CHECK(result->recipients[i].stage == (i % 2 == 0 ? Stage::final_dot : Stage::rcpt));
}

TEST_CASE("client dialog: the owner hears once when the content is about to end, and for whom") {
  ClientSettings s = settings();
  s.content_block_bytes = 1000;
  Session session("250-PIPELINING\r\n", s);
  std::string content;
  while (content.size() < 1500) content += "12345678\r\n";
  Transaction t = message(content);
  t.recipients = {"a@x", "b@x", "c@x\r\n", "d@x"};
  std::vector<std::vector<std::size_t>> told;
  t.before_end = [&](std::span<const std::size_t> whom) { told.emplace_back(whom.begin(), whom.end()); };
  session.start(std::move(t));
  const std::string first = session.say("250 ok\r\n550 5.1.1 no\r\n250 ok\r\n250 ok\r\n354 go\r\n");
  CHECK(first.find("\r\n.\r\n") == std::string::npos);
  CHECK(told.empty());
  session.dialog.on_sent(session.now);
  CHECK(told == std::vector<std::vector<std::size_t>>{{1, 3}});
  CHECK(session.dialog.output().take_text().ends_with("\r\n.\r\n"));
  session.say("250 taken\r\n");
  CHECK(told.size() == 1);
}

TEST_CASE("client dialog: the end of a message that nobody is to have is nobody's business") {
  Session session("250-PIPELINING\r\n");
  Transaction t = message("x\r\n");
  bool told = false;
  t.before_end = [&](std::span<const std::size_t>) { told = true; };
  session.start(std::move(t));
  CHECK(session.say("250 ok\r\n550 5.1.1 no\r\n354 go\r\n") == ".\r\n");
  CHECK_FALSE(told);
}

TEST_CASE("client dialog: content goes out by the block, each with its own deadline") {
  ClientSettings s = settings();
  s.content_block_bytes = 1000;
  Session session("250-PIPELINING\r\n", s);
  std::string content;
  while (content.size() < 3500) content += "12345678\r\n";
  session.start(message(content));
  std::string sent = session.say("250 ok\r\n250 ok\r\n354 go\r\n");
  std::size_t blocks = 1;
  while (sent.size() < content.size()) {
    CHECK(sent.size() == 1000 * blocks);
    CHECK(session.dialog.deadline() == session.now + s.timeouts.content);
    session.now += std::chrono::seconds(100);
    session.dialog.on_sent(session.now);
    sent += session.dialog.output().take_text();
    ++blocks;
  }
  CHECK(blocks == 4);
  CHECK(sent == content + ".\r\n");
  // The wait for the reply begins anew when the last block has left.
  session.now += std::chrono::seconds(100);
  session.dialog.on_sent(session.now);
  CHECK(session.dialog.deadline() == session.now + s.timeouts.final_dot);
  CHECK(session.dialog.output().empty());
}

TEST_CASE("client dialog: output stays bounded though nobody fetches it") {
  ClientSettings s = settings();
  s.content_block_bytes = 1000;
  Session session("", s);
  session.start(message(std::string(100000, 'x')));
  session.say("250 ok\r\n");
  session.say("250 ok\r\n");
  session.dialog.on_bytes("354 go\r\n", session.now);
  for (int i = 0; i < 10; ++i) session.dialog.on_sent(session.now);
  CHECK(session.dialog.output().bytes() == 1000);
}

TEST_CASE("client dialog: what happens while content is being sent") {
  ClientSettings s = settings();
  s.content_block_bytes = 1000;
  const struct {
    std::string_view name;
    void (*event)(Session&);
    Stage stage;
    bool reply;
  } cases[] = {
      {"closed", [](Session& x) { x.dialog.on_closed({}, x.now); }, Stage::content, false},
      {"time-out", [](Session& x) { x.dialog.on_timeout(x.dialog.deadline()); }, Stage::content, false},
      {"refused early", [](Session& x) { x.dialog.on_bytes("552 too large\r\n", x.now); }, Stage::content,
       true},
      {"421", [](Session& x) { x.dialog.on_bytes("421 bye\r\n", x.now); }, Stage::content, true},
      {"accepted before the end", [](Session& x) { x.dialog.on_bytes("250 ok\r\n", x.now); }, Stage::content,
       false},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    Session session("250-PIPELINING\r\n", s);
    session.start(message(std::string(5000, 'x')));
    session.say("250 ok\r\n250 ok\r\n354 go\r\n");
    c.event(session);
    const auto result = session.dialog.take_result();
    REQUIRE(result);
    CHECK(result->recipients[0].stage == c.stage);
    CHECK(std::holds_alternative<Reply>(result->recipients[0].answer) == c.reply);
    CHECK(session.dialog.wants() == Want::close);
    CHECK(session.dialog.output().empty());  // no final dot: the host must not take half a message
  }
}

TEST_CASE("client dialog: lost while the final dot still lay here is not in doubt") {
  Session session("250-PIPELINING\r\n");
  session.start(message("x\r\n"));
  session.dialog.on_bytes("250 ok\r\n250 ok\r\n354 go\r\n", session.now);
  REQUIRE(!session.dialog.output().empty());
  session.dialog.on_closed({}, session.now);
  const auto result = session.dialog.take_result();
  REQUIRE(result);
  CHECK(result->recipients[0].stage == Stage::content);
}

TEST_CASE("client dialog: whether TLS was on is part of the result") {
  ClientSettings s = settings();
  s.tls = ClientSettings::Tls::opportunistic;
  ClientDialog dialog(s, start_time);
  const TlsInfo tls{"TLSv1.3", "x", false};
  dialog.on_open({"192.0.2.1", 465}, &tls, start_time);
  dialog.on_bytes("220 mx\r\n", start_time);
  dialog.on_bytes("250 mx\r\n", start_time);
  dialog.start(message("x\r\n"), start_time);
  dialog.on_bytes("550 no\r\n", start_time);
  const auto result = dialog.take_result();
  REQUIRE(result);
  CHECK(result->tls);
}
