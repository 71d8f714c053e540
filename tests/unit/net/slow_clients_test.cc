// Clients that read slowly or never, close their half, or send a byte at a time.
#include <doctest/doctest.h>

#include "mta/wire/server_dialog.h"
#include "tests/unit/net/wire_test.h"

namespace relay::net {
namespace {

using test::Net;
using test::TestDialog;
using wire::Closed;
using wire::Want;

std::unique_ptr<TestDialog> saying(const std::string& text) {
  auto dialog = std::make_unique<TestDialog>();
  dialog->opened = [text](TestDialog& d) { d.out.append(text); };
  return dialog;
}

TEST_CASE("a client that never reads is closed after the write timeout") {
  SessionLimits limits;
  limits.write_timeout = std::chrono::milliseconds(50);
  Net net(limits);
  std::shared_ptr<TestDialog::Seen> served;
  net.serve([&] {
    auto d = saying(std::string(32u << 20, 'x'));
    served = d->seen;
    return d;
  });
  const Socket client = net.raw_client();
  net.run_until([&] { return served && !served->closed.empty(); });
  CHECK(served->closed[0].why == Closed::Why::reset);
  CHECK(served->closed[0].detail.find("took nothing") != std::string::npos);
  CHECK(served->sent == 0);
}

// Takes a little now and then until the server lets go; what it got.
std::size_t sip(Net& net, int fd, std::size_t at_once) {
  std::size_t got = 0;
  std::vector<char> buffer(at_once);
  bool ended = false;
  std::function<void()> take = [&] {
    const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n > 0) got += static_cast<std::size_t>(n);
    ended = n == 0 || (n < 0 && errno != EAGAIN);
    if (!ended) net.loop.at(net.loop.now() + std::chrono::milliseconds(5), take);
  };
  take();
  net.run_until([&] { return ended; });
  return got;
}

TEST_CASE("a client that reads a byte now and then is closed, also while the session is being closed") {
  for (const bool closing : {false, true}) {
    CAPTURE(closing);
    SessionLimits limits;
    limits.write_timeout = std::chrono::milliseconds(200);
    limits.least_rate = 1u << 30;
    Net net(limits);
    std::shared_ptr<TestDialog::Seen> served;
    net.serve([&] {
      auto d = saying(std::string(32u << 20, 'x'));
      served = d->seen;
      if (closing) d->bytes = [](TestDialog& self, std::string_view) { self.want = Want::close; };
      return d;
    });
    const Socket client = net.raw_client();
    REQUIRE(::send(client.get(), "x", 1, 0) == 1);
    if (closing) ::shutdown(client.get(), SHUT_WR);
    CHECK(sip(net, client.get(), 64 * 1024) < 32u << 20);
    net.run_until([&] { return net.table.size() == 0; });
    if (closing) continue;
    REQUIRE(served->closed.size() == 1);
    CHECK(served->closed[0].why == Closed::Why::reset);
  }
}

TEST_CASE("a slow client gets all, as more output gives it more time") {
  SessionLimits limits;
  limits.write_timeout = std::chrono::milliseconds(200);
  limits.least_rate = 1u << 20;  // 8 MiB have eight seconds
  Net net(limits);
  const std::string large(8u << 20, 'x');
  net.serve([&] {
    auto d = saying(large);
    d->bytes = [](TestDialog& self, std::string_view) { self.want = Want::close; };
    return d;
  });
  const Socket client = net.raw_client();
  REQUIRE(::send(client.get(), "x", 1, 0) == 1);
  CHECK(sip(net, client.get(), 256 * 1024) == large.size());
}

TEST_CASE("a peer that closes its half still gets all that is unsent") {
  Net net;
  const std::string large(3u << 20, 'x');
  net.serve([&] {
    auto d = std::make_unique<TestDialog>();
    d->bytes = [&](TestDialog& self, std::string_view) { self.out.append(large); };
    return d;
  });
  const Socket client = net.raw_client();
  REQUIRE(::send(client.get(), "go", 2, 0) == 2);
  REQUIRE(::shutdown(client.get(), SHUT_WR) == 0);
  std::string got;
  net.run_until([&] {
    char buffer[65536];
    ssize_t n = 0;
    while ((n = ::recv(client.get(), buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
      got.append(buffer, static_cast<std::size_t>(n));
    return n == 0;
  });
  CHECK(got == large);
}

// A real SMTP dialog, whose owner answers when the test says so.
struct Smtp {
  Net net;
  wire::ServerPolicy policy;
  SessionId id;
  std::optional<wire::ServerAction> action;

  explicit Smtp(wire::ServerLimits limits = {}) {
    wire::ServerSettings settings{
        .host_name = "relay.test", .offer_starttls = false, .require_auth = false, .limits = limits};
    auto made = Listener::tcp(net.loop, "127.0.0.1", 0,
                              [this, settings = std::make_shared<const wire::ServerSettings>(settings)](
                                  int fd, const wire::PeerInfo& peer) {
                                id = net.table.adopt({.fd = fd, .peer = peer},
                                                     std::make_unique<wire::ServerDialog>(settings, policy),
                                                     nullptr, false, [this](SessionId of) {
                                                       if (net.table.over(of)) return;
                                                       if (auto taken = dialog().take_action())
                                                         action = std::move(taken);
                                                     });
                              });
    REQUIRE(made);
    net.listener = std::move(*made);
  }
  wire::ServerDialog& dialog() { return static_cast<wire::ServerDialog&>(*net.table.dialog(id)); }
  Socket connect() { return std::move(*start_connect("127.0.0.1", net.listener->port())); }
  // All that comes until the connection ends.
  std::string hear(const Socket& from) {
    std::string all;
    net.run_until([&] {
      char buffer[4096];
      const ssize_t n = ::recv(from.get(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (n > 0) all.append(buffer, static_cast<std::size_t>(n));
      return n == 0 || (n < 0 && errno != EAGAIN);
    });
    return all;
  }
};

const std::string whole_session =
    "EHLO client.test\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n"
    "Subject: x\r\n\r\nhello\r\n.\r\n";

void say(const Socket& to, std::string_view text) {
  REQUIRE(::send(to.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
}

TEST_CASE("a client that closes its half after the final dot still hears what became of its message") {
  Smtp smtp;
  const Socket client = smtp.connect();
  say(client, whole_session);
  REQUIRE(::shutdown(client.get(), SHUT_WR) == 0);
  smtp.net.run_until([&] { return smtp.action.has_value(); });
  bool later = false;  // the commit takes its time, and the client's end is there
  smtp.net.loop.at(smtp.net.loop.now() + std::chrono::milliseconds(20), [&] { later = true; });
  smtp.net.run_until([&] { return later; });
  REQUIRE_FALSE(smtp.net.table.over(smtp.id));
  smtp.dialog().on_accept_result({250, "2.0.0", {"Ok: queued"}}, smtp.net.loop.now());
  smtp.net.table.kick(smtp.id);
  CHECK(smtp.hear(client).ends_with("\r\n250 2.0.0 Ok: queued\r\n"));
  smtp.net.run_until([&] { return smtp.net.table.size() == 0; });
}

TEST_CASE("a session that comes byte by byte is served as any other") {
  Smtp smtp;
  const Socket client = smtp.connect();
  smtp.net.run_until([&] { return smtp.net.table.size() == 1; });
  for (const char c : whole_session) {
    say(client, {&c, 1});
    uv_run(smtp.net.loop.raw(), UV_RUN_NOWAIT);
  }
  smtp.net.run_until([&] { return smtp.action.has_value(); });
  const auto& request = std::get<wire::SubmitRequest>(*smtp.action);
  CHECK(request.content->flatten() == "Subject: x\r\n\r\nhello\r\n");
}

TEST_CASE("bytes that never make a line do not renew the deadline") {
  wire::ServerLimits limits;
  limits.greeting_timeout = limits.command_timeout = std::chrono::milliseconds(60);
  Smtp smtp(limits);
  const Socket client = smtp.connect();
  std::function<void()> drip = [&] {
    if (::send(client.get(), "E", 1, MSG_NOSIGNAL) == 1)
      smtp.net.loop.at(smtp.net.loop.now() + std::chrono::milliseconds(10), drip);
  };
  drip();
  const std::string heard = smtp.hear(client);
  CHECK(heard.find("421 4.4.2 ") != std::string::npos);
  ::shutdown(client.get(), SHUT_WR);
  smtp.net.run_until([&] { return smtp.net.table.size() == 0; });
}

}  // namespace
}  // namespace relay::net
