// Deadlines, waiting for the owner, and going down. The clock is a number.
#include <doctest/doctest.h>

#include "tests/unit/wire/server_script.h"

using namespace relay;
using namespace relay::wire;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

ServerSettings timed() {
  ServerSettings settings = sink_settings();
  settings.limits.greeting_timeout = minutes(1);
  settings.limits.command_timeout = minutes(2);
  settings.limits.data_timeout = minutes(3);
  settings.limits.rate_grace = minutes(10);
  return settings;
}

constexpr const char* to_data = "HELO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n";
constexpr const char* timed_out = "421 4.4.2 mx.test Timed out, closing\r\n";
constexpr const char* going_down = "421 4.3.2 mx.test Shutting down\r\n";

void expire(ScriptedServer& server) {
  server.said.clear();
  server.now = server.dialog.deadline();
  server.dialog.on_timeout(server.now);
  server.pump();
  CHECK(server.dialog.wants() == Want::close);
  CHECK(server.dialog.deadline() == never);
}

}  // namespace

TEST_CASE("server: each stage has its deadline, and 421 4.4.2 after it") {
  SUBCASE("no command at all") {
    ScriptedServer server(timed());
    CHECK(server.dialog.deadline() == server.now + minutes(1));
    expire(server);
    CHECK(server.said == timed_out);
  }
  SUBCASE("between commands; half a command does not move it") {
    ScriptedServer server(timed());
    server.now += seconds(30);
    server.feed("NOOP\r\n");
    CHECK(server.dialog.deadline() == server.now + minutes(2));
    Instant due = server.dialog.deadline();
    server.now += minutes(1);
    server.feed("NOO");
    CHECK(server.dialog.deadline() == due);
    expire(server);
    CHECK(server.said == timed_out);
  }
  SUBCASE("in a message each read moves it") {
    ScriptedServer server(timed());
    server.feed(to_data);
    CHECK(server.dialog.deadline() == server.now + minutes(3));
    server.now += minutes(2);
    server.feed("x");
    CHECK(server.dialog.deadline() == server.now + minutes(3));
    expire(server);
    CHECK(server.said == timed_out);
    CHECK(server.taken.empty());
  }
  SUBCASE("in an exchange of AUTH") {
    ServerSettings settings = timed();
    settings.require_auth = true;
    ScriptedServer server(settings, true);
    server.feed("EHLO x\r\nAUTH LOGIN\r\n");
    CHECK(server.dialog.deadline() == server.now + minutes(2));
    expire(server);
    CHECK(server.said == timed_out);
  }
}

TEST_CASE("server: a message has a deadline as a whole, and a rate it must come at") {
  ServerSettings settings = sink_settings();
  settings.limits.message_bytes = 1 << 20;
  settings.limits.data_timeout = minutes(5);
  settings.limits.message_timeout = minutes(30);
  settings.limits.rate_grace = seconds(30);
  settings.limits.least_rate = 100;
  SUBCASE("a byte now and then buys nothing") {
    ScriptedServer server(settings);
    server.feed(to_data);
    const Instant began = server.now;
    CHECK(server.dialog.deadline() == began + seconds(30));
    for (int i = 0; i < 29; ++i) {
      server.now += seconds(1);
      server.feed("x");
      CHECK(server.dialog.deadline() == began + seconds(30) + (i + 1) * milliseconds(10));
    }
    expire(server);
    CHECK(server.said == timed_out);
    CHECK(server.taken.empty());
  }
  SUBCASE("nor does much at first buy more than one pause") {
    ScriptedServer server(settings);
    server.feed(to_data);
    server.feed(std::string(1'000'000, 'x') + "\r\n");  // at the least rate: nearly three hours
    for (int i = 1; i <= 10; ++i) {
      server.now += seconds(29);
      server.feed("x");
      CHECK(server.dialog.deadline() == server.now + minutes(5) - i * seconds(29) + i * milliseconds(10));
    }
    expire(server);
    CHECK(server.said == timed_out);
  }
  SUBCASE("who keeps the rate may go on, and pause as long as that allows") {
    ScriptedServer server(settings);
    server.feed(to_data);
    const Instant began = server.now;
    server.now += seconds(20);
    server.feed(std::string(1000, 'x'));
    CHECK(server.dialog.deadline() == began + seconds(40));
    server.now += seconds(19);
    server.feed("\r\n" + std::string(100'000, 'x'));
    CHECK(server.dialog.deadline() == server.now + minutes(5));
    server.now += minutes(5) - seconds(1);
    server.feed("\r\n.\r\n");
    CHECK(server.taken.size() == 1);
  }
  SUBCASE("what is taken back has no deadline any more") {
    ScriptedServer server(settings);
    server.feed("EHLO x\r\nMAIL FROM:<a@b.test>\r\n");
    server.now += minutes(29);
    server.feed("RSET\r\n");
    CHECK(server.dialog.deadline() == server.now + minutes(5));
    server.feed("MAIL FROM:<a@b.test>\r\n");
    CHECK(server.dialog.deadline() == server.now + minutes(5));
  }
  SUBCASE("but not for ever") {
    ScriptedServer server(settings);
    server.feed(to_data);
    const Instant began = server.now;
    for (int i = 0; i < 29; ++i) {
      server.now += minutes(1);
      server.feed(std::string(10'000, 'x') + "\r\n");
    }
    CHECK(server.dialog.deadline() == began + minutes(30));
    expire(server);
    CHECK(server.said == timed_out);
  }
  SUBCASE("and its recipients count in that") {
    ScriptedServer server(settings);
    server.feed("EHLO x\r\nMAIL FROM:<a@b.test>\r\n");
    const Instant began = server.now;
    server.now += minutes(4);
    server.feed("RCPT TO:<c@d.test>\r\n");
    CHECK(server.dialog.deadline() == server.now + minutes(5));
    server.now = began + minutes(28);
    server.feed("RCPT TO:<c@d.test>\r\n");
    CHECK(server.dialog.deadline() == began + minutes(30));
    server.feed("DATA\r\n");
    server.now += minutes(1);
    server.feed(std::string(100'000, 'x') + "\r\n");
    CHECK(server.dialog.deadline() == began + minutes(30));
  }
  SUBCASE("a pause between chunks is a command's, and costs the content nothing") {
    ScriptedServer server(settings);
    server.feed("EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nBDAT 3\r\nabc");
    server.now += minutes(4);
    server.feed("BDAT 1000 LAST\r\n");
    CHECK(server.dialog.deadline() == server.now + seconds(30) + milliseconds(30));
    server.now += seconds(29);
    server.feed(std::string(1000, 'x'));
    CHECK(server.taken.size() == 1);
  }
  SUBCASE("in chunks too, also between them and in those that are refused") {
    ScriptedServer server(settings);
    server.feed("EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nBDAT 1000\r\nx");
    const Instant began = server.now;
    CHECK(server.dialog.deadline() == began + seconds(30) + milliseconds(10));
    server.now += seconds(29);
    server.feed(std::string(999, 'x'));
    CHECK(server.dialog.deadline() == server.now + minutes(5));
    server.now = began + minutes(5);
    server.feed("NOOP\r\n");
    CHECK(server.dialog.deadline() == server.now + minutes(5));
    server.now = began + minutes(28);
    server.feed("NOOP\r\n");
    CHECK(server.dialog.deadline() == began + minutes(30));
    server.feed("RSET\r\nBDAT 1000\r\nx");
    CHECK(server.dialog.deadline() == server.now + seconds(30) + milliseconds(10));
  }
}

TEST_CASE("server: refusals after the first few wait, and what comes meanwhile is kept") {
  ServerSettings settings = sink_settings();
  settings.limits.errors_at_once = 2;
  settings.limits.error_delay = seconds(3);
  ScriptedServer server(settings);
  server.patient = false;
  server.feed("A\r\nB\r\n");
  CHECK(server.dialog.wants() == Want::bytes);
  server.said.clear();
  server.feed("C\r\nHELO x\r\n");
  CHECK(server.said.empty());
  CHECK(server.dialog.wants() == Want::hold);
  CHECK(server.dialog.deadline() == server.now + seconds(3));
  server.dialog.on_timeout(server.now + seconds(1));  // one that came too early
  server.pump();
  CHECK(server.said.empty());
  server.now += seconds(3);
  SUBCASE("then it is said, and the rest follows") {
    server.dialog.on_timeout(server.now);
    server.pump();
    CHECK(server.said == "500 5.5.2 Command not recognized\r\n250 mx.test\r\n");
    CHECK(server.dialog.wants() == Want::bytes);
  }
  SUBCASE("or the client has gone") {
    server.dialog.on_closed({Closed::Why::reset, ""}, server.now);
    server.dialog.on_timeout(server.now);
    server.pump();
    CHECK(server.said.empty());
    CHECK(server.dialog.wants() == Want::close);
  }
  SUBCASE("or the process goes down") {
    server.dialog.shut_down(server.now);
    server.pump();
    CHECK(server.said == std::string("500 5.5.2 Command not recognized\r\n") + going_down);
  }
}

TEST_CASE("server: under pressure waits are short, and less is forgiven") {
  ServerSettings settings = timed();
  settings.limits.pressed_timeout = seconds(10);
  settings.limits.pressed_errors = 1;
  settings.limits.errors_at_once = 0;
  ScriptedServer server(settings);
  server.patient = false;
  server.under_pressure = true;
  CHECK(server.dialog.deadline() == server.now + seconds(10));
  server.now += seconds(5);
  server.feed("HELO x\r\n");
  CHECK(server.dialog.deadline() == server.now + seconds(10));
  SUBCASE("it ends") {
    server.under_pressure = false;
    CHECK(server.dialog.deadline() == server.now + minutes(2));
  }
  SUBCASE("in a message") {
    server.feed("MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n");
    server.now += seconds(9);
    server.feed("x");
    CHECK(server.dialog.deadline() == server.now + seconds(10));
    expire(server);
    CHECK(server.said == timed_out);
  }
  SUBCASE("no refusal waits, and few are borne") {
    server.said.clear();
    server.feed("A\r\nB\r\n");
    CHECK(
        server.said ==
        "500 5.5.2 Command not recognized\r\n500 5.5.2 Command not recognized\r\n421 4.7.0 mx.test Too many "
        "errors, closing\r\n");
  }
  SUBCASE("while the owner decides nothing is timed") {
    server.answering = false;
    server.feed("MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nx\r\n.\r\n");
    CHECK(server.dialog.deadline() == never);
  }
}

TEST_CASE("server: while the owner decides nothing is read, said or timed") {
  ScriptedServer server(timed());
  server.answering = false;
  server.feed(std::string(to_data) + "x\r\n.\r\nNOOP\r\nQUIT\r\n");
  server.said.clear();
  REQUIRE(server.asked.has_value());
  CHECK(server.dialog.wants() == Want::hold);
  CHECK(server.dialog.deadline() == never);
  CHECK_FALSE(server.dialog.take_action().has_value());
  // What a driver had read before it was told to hold is kept.
  server.dialog.on_bytes("NOOP\r\n", server.now);
  server.pump();
  CHECK(server.said.empty());
  server.dialog.on_accept_result({250, "2.0.0", {"Taken"}}, server.now);
  server.pump();
  CHECK(server.said == "250 2.0.0 Taken\r\n250 2.0.0 Ok\r\n221 2.0.0 mx.test closing connection\r\n");
  CHECK(server.dialog.wants() == Want::close);
}

TEST_CASE("server: pipelined messages are decided one after the other") {
  ScriptedServer server(timed());
  server.answering = false;
  const std::string one = "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nx\r\n.\r\n";
  server.feed("HELO x\r\n" + one + one);
  for (int i = 0; i < 2; ++i) {
    REQUIRE(server.asked.has_value());
    server.asked.reset();
    server.dialog.on_accept_result({250, "2.0.0", {"Taken"}}, server.now);
    server.pump();
  }
  CHECK_FALSE(server.asked.has_value());
  CHECK(server.dialog.wants() == Want::bytes);
  CHECK(server.dialog.deadline() == server.now + minutes(2));
}

TEST_CASE("server: the client leaves while the owner decides") {
  ScriptedServer server(timed());
  server.answering = false;
  server.feed(std::string(to_data) + "x\r\n.\r\n");
  server.said.clear();
  server.dialog.on_closed({Closed::Why::reset, "reset"}, server.now);
  server.dialog.on_accept_result({250, "2.0.0", {"Taken"}}, server.now);
  server.dialog.on_auth_result({}, server.now);
  server.dialog.on_timeout(server.now);
  server.dialog.on_bytes("NOOP\r\n", server.now);
  server.pump();
  CHECK(server.said.empty());
  CHECK(server.dialog.wants() == Want::close);
}

TEST_CASE("server: going down: 421 as soon as no reply is owed") {
  ScriptedServer server(timed());
  SUBCASE("idle") {
    server.said.clear();
    server.dialog.shut_down(server.now);
    server.pump();
    CHECK(server.said == going_down);
  }
  SUBCASE("between the commands of a transaction, with half of one read") {
    server.feed("HELO x\r\nMAIL FROM:<a@b.test>\r\nRCPT");
    server.said.clear();
    server.dialog.shut_down(server.now);
    server.pump();
    CHECK(server.said == going_down);
  }
  SUBCASE("in a message: it is taken first") {
    server.feed(std::string(to_data) + "x\r\n");
    server.said.clear();
    server.dialog.shut_down(server.now);
    server.pump();
    CHECK(server.said.empty());
    CHECK(server.dialog.wants() == Want::bytes);
    server.feed(".\r\nMAIL FROM:<a@b.test>\r\n");
    CHECK(server.said == std::string("250 2.0.0 Taken\r\n") + going_down);
    CHECK(server.taken.size() == 1);
  }
  SUBCASE("while the owner decides") {
    server.answering = false;
    server.feed(std::string(to_data) + "x\r\n.\r\nNOOP\r\n");
    server.said.clear();
    server.dialog.shut_down(server.now);
    server.pump();
    CHECK(server.said.empty());
    server.dialog.on_accept_result({250, "2.0.0", {"Taken"}}, server.now);
    server.pump();
    CHECK(server.said == std::string("250 2.0.0 Taken\r\n") + going_down);
  }
  SUBCASE("in a handshake: after it, under TLS") {
    server.feed("STARTTLS\r\n");
    server.said.clear();
    server.dialog.shut_down(server.now);
    server.pump();
    CHECK(server.said.empty());
    server.handshake();
    CHECK(server.said == going_down);
  }
  CHECK(server.dialog.wants() == Want::close);
  server.said.clear();
  server.dialog.shut_down(server.now);  // twice is once
  server.pump();
  CHECK(server.said.empty());
}

TEST_CASE("server: going down before the greeting or in AUTH") {
  ServerSettings settings = timed();
  settings.require_auth = true;
  ScriptedServer server(settings, true);
  server.feed("EHLO x\r\nAUTH LOGIN\r\n");
  server.said.clear();
  server.dialog.shut_down(server.now);
  server.pump();
  CHECK(server.said == going_down);
  CHECK(server.dialog.wants() == Want::close);

  ServerDialog fresh(std::make_shared<const ServerSettings>(timed()), server);
  fresh.shut_down(server.now);
  fresh.on_open({"192.0.2.1", 1}, nullptr, server.now);
  CHECK(fresh.output().take_text() == going_down);
  CHECK(fresh.wants() == Want::close);
}

TEST_CASE("server: data before the greeting has left is taken as if it came after") {
  ScriptedServer server(timed());
  server.said.clear();
  server.feed("EHLO x\r\nQUIT\r\n");
  CHECK(server.said.ends_with("221 2.0.0 mx.test closing connection\r\n"));
}
