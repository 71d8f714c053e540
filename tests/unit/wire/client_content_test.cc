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
  s.tls.level = TlsLevel::none;
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
  t.recipients = {{"a@x"}};
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
      {"250-SMTPUTF8\r\n", true, false, "MAIL FROM:<é@x> SMTPUTF8\r\n", ""},
      {"250-8BITMIME\r\n", true, true, "", "SMTPUTF8"},
      {"250-SMTPUTF8\r\n250-SIZE 5000\r\n250-8BITMIME\r\n", true, true,
       "MAIL FROM:<é@x> SIZE=12 BODY=8BITMIME SMTPUTF8\r\n", ""},
  };
  for (const auto& c : cases) {
    CAPTURE(c.offered);
    Session session(c.offered);
    Transaction t = message("0123456789\r\n");
    t.smtputf8 = c.utf8;
    if (c.utf8) t.reverse_path = "é@x";
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

TEST_CASE("client dialog: SMTPUTF8 that nothing needs is not asked for") {
  const struct {
    std::string_view name, from, to, content;
    bool needed;
  } cases[] = {
      {"all ASCII", "s@x", "a@x", "Subject: x\r\n\r\nhello\r\n", false},
      {"the body alone", "s@x", "a@x", "Subject: x\r\n\r\nh\xc3\xa9llo\r\n", false},
      {"sender", "\xc3\xa9@x", "a@x", "Subject: x\r\n\r\nhello\r\n", true},
      {"recipient", "s@x", "\xc3\xa9@x", "Subject: x\r\n\r\nhello\r\n", true},
      {"header", "s@x", "a@x", "Subject: \xc3\xa9\r\n\r\nhello\r\n", true},
  };
  for (const auto& c : cases) {
    for (const bool offered : {true, false}) {
      CAPTURE(c.name);
      Session session(offered ? "250-SMTPUTF8\r\n" : "");
      Transaction t = message(std::string(c.content));
      t.reverse_path = c.from;
      t.recipients = {{std::string(c.to)}};
      t.smtputf8 = true;
      const std::string sent = session.start(std::move(t));
      CHECK(sent.ends_with(" SMTPUTF8\r\n") == (c.needed && offered));
      CHECK(sent.empty() == (c.needed && !offered));
    }
  }
}

TEST_CASE("client dialog: what is wanted of DSNs goes to hosts that offer DSN") {
  const struct {
    DsnReturn ret;
    std::string_view id;
    std::uint8_t notify;
    std::string_view original, mail, rcpt;
  } cases[] = {
      {DsnReturn::unsaid, "", 0, "", "", ""},
      {DsnReturn::full, "", notify_never, "", " RET=FULL", " NOTIFY=NEVER"},
      {DsnReturn::headers, "QQ 1+1=2", notify_success, "rfc822;a+b@x", " RET=HDRS ENVID=QQ+201+2B1+3D2",
       " NOTIFY=SUCCESS ORCPT=rfc822;a+2Bb@x"},
      {DsnReturn::unsaid, "", notify_success | notify_failure | notify_delay, "", "",
       " NOTIFY=SUCCESS,FAILURE,DELAY"},
      {DsnReturn::unsaid, "", notify_delay, "x-1;y\r\nRSET", "", " NOTIFY=DELAY ORCPT=x-1;y+0D+0ARSET"},
      {DsnReturn::unsaid, "\r\n", 0, "utf-8;\xc3\xa9+=\xf0\x9f\x90\x8c@x", " ENVID=+0D+0A",
       " ORCPT=utf-8;\\x{E9}\\x{2B}\\x{3D}\\x{1F40C}@x"},
      {DsnReturn::unsaid, "", 0, "utf-8;\xff\n@x", "", " ORCPT=utf-8;\\x{FF}\\x{A}@x"},
      {DsnReturn::unsaid, "", 0, "no semicolon", "", ""},
      {DsnReturn::unsaid, "", 0, ";a@x", "", ""},
      {DsnReturn::unsaid, "", 0, "rfc 822;a@x", "", ""},
      {DsnReturn::unsaid, "", 0, "rfc822;", "", ""},
  };
  for (const auto& c : cases) {
    for (const bool offered : {true, false}) {
      CAPTURE(c.original);
      Session session(offered ? "250-PIPELINING\r\n250-DSN\r\n" : "250-PIPELINING\r\n");
      Transaction t = message("x\r\n");
      t.ret = c.ret;
      t.id = c.id;
      t.recipients = {{"a@x", c.notify, std::string(c.original)}};
      const std::string mail(offered ? c.mail : ""), rcpt(offered ? c.rcpt : "");
      CHECK(session.start(std::move(t)) ==
            "MAIL FROM:<s@x>" + mail + "\r\nRCPT TO:<a@x>" + rcpt + "\r\nDATA\r\n");
      session.say("250 ok\r\n250 ok\r\n354 go\r\n");
      session.say("250 taken\r\n");
      const auto result = session.dialog.take_result();
      REQUIRE(result);
      CHECK(result->dsn == offered);
    }
  }
}

TEST_CASE("client dialog: REQUIRETLS asks for verified TLS and a host that offers it") {
  const TlsInfo anyone{"TLSv1.3", "x"}, named{"TLSv1.3", "x", TlsVerified::name},
      dane{"TLSv1.3", "x", TlsVerified::dane};
  const struct {
    const TlsInfo* tls;
    bool offered;
    std::string_view sent, lacks;
  } cases[] = {
      {nullptr, true, "", "the session is not under TLS"},
      {&anyone, true, "", "the host's certificate has not been verified"},
      {&named, false, "", ""},
      {&named, true, "MAIL FROM:<s@x> REQUIRETLS\r\n", ""},
      {&dane, true, "MAIL FROM:<s@x> REQUIRETLS\r\n", ""},
  };
  for (const auto& c : cases) {
    ClientDialog dialog(settings(), start_time);
    dialog.on_open({"192.0.2.1", 25}, c.tls, start_time);
    dialog.on_bytes("220 mx\r\n", start_time);
    dialog.on_bytes(c.offered ? "250-mx\r\n250 requiretls\r\n" : "250 mx\r\n", start_time);
    REQUIRE(dialog.ready());
    dialog.output().take();
    Transaction t = message("x\r\n");
    t.require_tls = true;
    dialog.start(std::move(t), start_time);
    CHECK(dialog.output().take_text() == c.sent);
    const auto result = dialog.take_result();
    REQUIRE(result.has_value() == c.sent.empty());
    if (!result) continue;
    const auto& lack = std::get<Unsupported>(result->recipients[0].answer);
    CHECK(lack.extension == "REQUIRETLS");
    CHECK(lack.detail == c.lacks);
  }
}

TEST_CASE("client dialog: a hundred recipients are one transaction") {
  Session session("250-PIPELINING\r\n");
  Transaction t = message("x\r\n");
  std::string wanted = "MAIL FROM:<s@x>\r\n", replies = "250 ok\r\n";
  t.recipients.clear();
  for (int i = 0; i < 100; ++i) {
    t.recipients.push_back({"r" + std::to_string(i) + "@x"});
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
  t.recipients = {{"a@x"}, {"b@x"}, {"c@x\r\n"}, {"d@x"}};
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
  s.tls.level = TlsLevel::opportunistic;
  ClientDialog dialog(s, start_time);
  const TlsInfo tls{"TLSv1.3", "x"};
  dialog.on_open({"192.0.2.1", 465}, &tls, start_time);
  dialog.on_bytes("220 mx\r\n", start_time);
  dialog.on_bytes("250 mx\r\n", start_time);
  dialog.start(message("x\r\n"), start_time);
  dialog.on_bytes("550 no\r\n", start_time);
  const auto result = dialog.take_result();
  REQUIRE(result);
  CHECK(result->tls);
}
