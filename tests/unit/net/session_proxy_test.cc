// Sessions that come by way of a balancer: the PROXY header before all else.
#include <doctest/doctest.h>

#include "tests/unit/net/certificate.h"
#include "tests/unit/net/wire_test.h"

namespace relay::net {
namespace {

using namespace std::string_literals;
using test::Net;
using test::TestDialog;
using wire::Closed;

const std::string line = "PROXY TCP4 192.0.2.1 192.0.2.2 40000 587\r\n";
const std::string binary = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x9c\x40\x02\x4b"s;
const std::string local = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"s;

// A server behind a balancer; what it was told and did.
struct Behind {
  Net net;
  std::unique_ptr<Listener> listener;
  std::shared_ptr<TestDialog::Seen> seen;
  std::vector<std::string> told;  // the client's address, or "! why"
  bool silent = false;            // the connection was closed without a byte
  std::optional<std::string> answer;
  SessionId id;
  std::weak_ptr<int> kept;

  explicit Behind(SessionLimits limits = {}, std::shared_ptr<TlsContext> tls = nullptr, bool implicit = false)
      : net(limits) {
    auto made =
        Listener::tcp(net.loop, "127.0.0.1", 0, [this, tls, implicit](int fd, const wire::PeerInfo& peer) {
          auto dialog = std::make_unique<TestDialog>();
          dialog->opened = [](TestDialog& d) { d.out.append("220 hello\r\n"); };
          seen = dialog->seen;
          auto held = std::make_shared<int>(1);
          kept = held;
          const auto on_header = [this](const Result<wire::PeerInfo>& client) {
            told.push_back(client ? client->address : "! " + client.error().message);
            if (!client) silent = client.error().code == Errc::not_found;
            return answer;
          };
          id = net.table.adopt({.fd = fd, .peer = peer, .on_header = on_header, .kept = std::move(held)},
                               std::move(dialog), tls, implicit, [](SessionId) {});
        });
    REQUIRE(made);
    net.listener = std::move(*made);
  }
  Socket connect() {
    auto connecting = start_connect("127.0.0.1", net.listener->port());
    REQUIRE(connecting);
    net.run_until([&] { return seen != nullptr; });
    return std::move(*connecting);
  }
  void turn() {  // what is on its way has come
    bool done = false;
    net.loop.post([&] { net.loop.post([&] { done = true; }); });
    net.run_until([&] { return done; });
  }
};

void say(const Socket& to, std::string_view text) {
  REQUIRE(::send(to.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
}

std::string hear(Behind& b, const Socket& from) {
  std::string all;
  b.net.run_until([&] {
    char buffer[4096];
    const ssize_t n = ::recv(from.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (n > 0) all.append(buffer, static_cast<std::size_t>(n));
    return n == 0 || (n < 0 && errno != EAGAIN);
  });
  return all;
}

TEST_CASE("the client's address is the header's; what is behind it in the same segment is the dialog's") {
  for (const std::string& header : {line, binary}) {
    for (const std::string& behind : {""s, "EHLO client\r\n"s}) {
      Behind b;
      const Socket client = b.connect();
      say(client, header + behind);
      b.net.run_until([&] { return b.seen->opened && b.seen->bytes == behind; });
      CHECK(b.told == std::vector<std::string>{"192.0.2.1"});
      CHECK(b.seen->peer.address == "192.0.2.1");
      CHECK(b.seen->peer.port == 40000);
      CHECK_FALSE(b.seen->opened_with_tls);
    }
  }
}

TEST_CASE("a header that names no client: the connection's own address counts") {
  for (const std::string& header : {local, "PROXY UNKNOWN\r\n"s}) {
    Behind b;
    const Socket client = b.connect();
    say(client, header);
    b.net.run_until([&] { return b.seen->opened; });
    CHECK(b.told == std::vector<std::string>{"127.0.0.1"});
    CHECK(b.seen->peer.address == "127.0.0.1");
    CHECK(b.seen->peer.port != 0);
  }
}

TEST_CASE("a header that comes byte by byte; no greeting before its end") {
  for (const std::string& header : {line, binary}) {
    Behind b;
    const Socket client = b.connect();
    for (std::size_t i = 0; i < header.size(); ++i) {
      CHECK_FALSE(b.seen->opened);
      say(client, header.substr(i, 1));
      b.turn();
    }
    b.net.run_until([&] { return b.seen->opened; });
    CHECK(b.seen->peer.address == "192.0.2.1");
    say(client, "QUIT");
    b.net.run_until([&] { return b.seen->bytes == "QUIT"; });
  }
}

TEST_CASE("without a good header the connection is closed and nothing is said") {
  struct Case {
    std::string bytes, why;
  };
  for (const auto& [bytes, why] :
       {Case{"EHLO client\r\n", "! it does not begin as a PROXY header does"},
        Case{"PROXY TCP4 192.0.2.1\r\n", "! the line does not have two addresses and two ports"},
        Case{"", "! the connection was closed before it"},
        Case{"PROXY TCP4 192.0.2.1 192", "! the connection was closed before it"}}) {
    CAPTURE(bytes);
    Behind b;
    const Socket client = b.connect();
    say(client, bytes);
    ::shutdown(client.get(), SHUT_WR);
    CHECK(hear(b, client) == "");
    b.net.run_until([&] { return b.net.table.size() == 0; });
    CHECK(b.told == std::vector<std::string>{why});
    CHECK(b.silent == bytes.empty());
    CHECK_FALSE(b.seen->opened);
    REQUIRE(b.seen->closed.size() == 1);
    CHECK(b.seen->closed[0].why == Closed::Why::reset);
    CHECK(b.seen->destroyed);
  }
}

TEST_CASE("a header that does not end in time") {
  SessionLimits limits;
  limits.proxy_timeout = std::chrono::milliseconds(20);
  Behind b(limits);
  const Socket client = b.connect();
  say(client, "PROXY TCP4 ");
  CHECK(hear(b, client) == "");
  CHECK(b.told == std::vector<std::string>{"! it was not there in time"});
  CHECK(b.seen->destroyed);
}

TEST_CASE("who is turned away once the header is known is told so, and no dialog is opened") {
  Behind b;
  b.answer = "421 too many from there\r\n";
  const Socket client = b.connect();
  say(client, line + "EHLO client\r\n");
  b.net.run_until([&] { return b.seen->destroyed; });
  CHECK_FALSE(b.kept.expired());  // the socket is still there
  ::shutdown(client.get(), SHUT_WR);
  CHECK(hear(b, client) == "421 too many from there\r\n");
  CHECK_FALSE(b.seen->opened);
  b.net.run_until([&] { return b.kept.expired(); });
  CHECK(b.net.table.over(b.id));
}

TEST_CASE(
    "a dialog that is ended before the header or the handshake is there says nothing, and nobody waits") {
  const test::Certificate certificate;
  const auto tls = certificate.server();
  for (const bool implicit : {false, true}) {
    for (const std::string& sent : {""s, line}) {
      if (!implicit && !sent.empty()) continue;  // then it is open
      CAPTURE(implicit);
      CAPTURE(sent);
      Behind b({}, tls, implicit);
      const Socket client = b.connect();
      say(client, sent);
      if (!sent.empty()) b.net.run_until([&] { return !b.told.empty(); });
      auto* dialog = static_cast<TestDialog*>(b.net.table.dialog(b.id));
      REQUIRE(dialog != nullptr);
      dialog->out.append("421 shutting down\r\n");
      dialog->want = wire::Want::close;
      b.net.table.kick(b.id);
      CHECK(hear(b, client).empty());
      CHECK(b.kept.expired());
    }
  }
}

TEST_CASE("TLS begins behind the header, also in the same segment") {
  const test::Certificate certificate;
  const auto tls = certificate.server();
  for (const bool together : {false, true}) {
    CAPTURE(together);
    Behind b({}, tls, true);
    const Socket client = b.connect();
    auto engine = TlsEngine::make_client(test::client_context(), {"localhost"}, {});
    std::string hello = engine->to_wire();
    if (!together) {
      say(client, line);
      b.turn();
      say(client, hello);
    } else {
      say(client, line + hello);
    }
    std::string got;
    b.net.run_until([&] {
      char buffer[8192];
      const ssize_t n = ::recv(client.get(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (n > 0) REQUIRE(engine->feed({buffer, static_cast<std::size_t>(n)}));
      if (const std::string out = engine->to_wire(); !out.empty()) say(client, out);
      got += engine->plain();
      return got == "220 hello\r\n";
    });
    CHECK(b.seen->opened_with_tls);
    CHECK(b.seen->peer.address == "192.0.2.1");
  }
}

TEST_CASE("who is turned away before implicit TLS hears nothing") {
  const test::Certificate certificate;
  Behind b({}, certificate.server(), true);
  b.answer = "421 too many from there\r\n";
  const Socket client = b.connect();
  say(client, binary);
  CHECK(hear(b, client) == "");
  CHECK_FALSE(b.seen->opened);
  b.net.run_until([&] { return b.kept.expired(); });
}

}  // namespace
}  // namespace relay::net
