// Memory that all content under way shares.
#include <doctest/doctest.h>

#include <string>

#include "tests/unit/wire/server_script.h"

using namespace relay;
using namespace relay::wire;

namespace {

constexpr std::uint64_t MiB = 1u << 20;
const std::string no_room = "452 4.3.1 Too much mail is coming in at once, try again later\r\n";
const std::string large = std::string(1000, 'x') + "\r\n";

struct Short {
  ByteBudget budget{8 * MiB};
  ByteBudget::Share others{&budget};
  ScriptedServer server;

  Short() : server(settings()) { server.memory = &budget; }
  static ServerSettings settings() {
    ServerSettings settings = sink_settings();
    settings.limits.message_bytes = 4 * MiB;
    return settings;
  }
  std::string hear(const std::string& bytes) {
    server.said.clear();
    server.feed(bytes);
    return server.said;
  }
};

std::string times(std::size_t n, const std::string& text) {
  std::string all;
  while (n-- > 0) all += text;
  return all;
}

}  // namespace

TEST_CASE(
    "server: where there is no room for content a message is refused for now, and the session goes on") {
  Short s;
  s.hear("EHLO x\r\n");
  REQUIRE(s.others.grow_to(5 * MiB));
  CHECK(s.hear("MAIL FROM:<a@b.test> SIZE=2000000\r\n") == no_room);
  CHECK(s.hear("MAIL FROM:<a@b.test> SIZE=2000\r\nRCPT TO:<c@d.test>\r\n") ==
        "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n");
  SUBCASE("DATA") {
    s.hear("DATA\r\n");
    CHECK(s.hear(times(3000, large)).empty());
    CHECK(s.budget.used() == 5 * MiB);
    CHECK(s.hear(".\r\n") == no_room);
  }
  SUBCASE("BDAT") {
    CHECK(s.hear("BDAT 1002000\r\n" + times(1000, large)) == "250 2.0.0 1002000 octets received\r\n");
    CHECK(s.budget.used() > 6'002'000);
    CHECK(s.hear("BDAT 1002000\r\n" + times(1000, large)) == no_room);
    CHECK(s.budget.used() == 5 * MiB);
    CHECK(s.hear("BDAT 1 LAST\r\nx") == "503 5.5.1 MAIL first\r\n");
  }
  SUBCASE("a session that ends gives back what it had") {
    s.hear("DATA\r\n" + times(500, large));
    CHECK(s.budget.used() > 5 * MiB);
    s.server.dialog.on_closed({Closed::Why::reset, ""}, s.server.now);
    CHECK(s.budget.used() == 5 * MiB);
    return;
  }
  CHECK(s.server.taken.empty());
  s.others.release();
  s.hear("MAIL FROM:<a@b.test> SIZE=2000000\r\nRCPT TO:<c@d.test>\r\nDATA\r\n");
  CHECK(s.hear(times(2000, large) + ".\r\n") == "250 2.0.0 Taken\r\n");
  CHECK(s.budget.used() == 0);
}

TEST_CASE("server: when large messages have taken all they may, small ones still come in") {
  Short s;
  REQUIRE(s.others.grow_to(6 * MiB));
  s.hear("EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n");
  CHECK(s.hear(times(100, large) + ".\r\n") == "250 2.0.0 Taken\r\n");
}

TEST_CASE("server: while memory is short content must come faster, and others are waited for as ever") {
  using std::chrono::seconds;
  Short s;
  ServerLimits limits = Short::settings().limits;
  ScriptedServer idle(Short::settings());
  idle.memory = &s.budget;
  s.hear("EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n" + times(500, large));
  CHECK(s.server.dialog.deadline() == s.server.now + limits.data_timeout);
  REQUIRE(s.others.grow_to(5 * MiB));
  ByteBudget::Share third(&s.budget);
  REQUIRE_FALSE(third.grow_to(2 * MiB));
  REQUIRE(s.budget.pressed());
  CHECK(idle.dialog.deadline() == idle.now + limits.greeting_timeout);
  CHECK(s.server.dialog.deadline() == s.server.now + limits.pressed_timeout);
  s.server.now += seconds(35);  // the grace is over; what was in store is not
  s.hear("x");
  CHECK(s.server.dialog.deadline() <= s.server.now + limits.pressed_timeout);
  const Instant bought = s.server.dialog.deadline();
  s.server.now += seconds(1);
  s.hear(std::string(2500, 'x'));
  CHECK(s.server.dialog.deadline() == bought + std::chrono::milliseconds(500));
  s.others.release();
  CHECK_FALSE(s.budget.pressed());
  s.hear("\r\n");
  CHECK(s.server.dialog.deadline() > s.server.now + seconds(9));
  CHECK(s.hear(".\r\n") == "250 2.0.0 Taken\r\n");
}
