#include "mta/net/session.h"

#include <doctest/doctest.h>

#include "tests/unit/net/wire_test.h"

namespace relay::net {
namespace {

using test::echo;
using test::Net;
using test::TestDialog;
using wire::Closed;
using wire::Want;

std::unique_ptr<TestDialog> echoing() {
  auto dialog = std::make_unique<TestDialog>();
  dialog->bytes = echo;
  return dialog;
}

std::unique_ptr<TestDialog> saying(const std::string& text) {
  auto dialog = std::make_unique<TestDialog>();
  dialog->opened = [text](TestDialog& d) { d.out.append(text); };
  return dialog;
}

std::string read_to_end(int fd) {
  std::string all;
  char buffer[4096];
  ssize_t n = 0;
  while ((n = ::recv(fd, buffer, sizeof buffer, 0)) > 0) all.append(buffer, static_cast<std::size_t>(n));
  if (n < 0) all += " [" + reason(errno) + "]";
  return all;
}

TEST_CASE("both sides of a connection, on IPv4 and IPv6") {
  for (const std::string address : {"127.0.0.1", "::1"}) {
    CAPTURE(address);
    Net net;
    std::shared_ptr<TestDialog::Seen> served;
    net.serve(
        [&] {
          auto d = echoing();
          served = d->seen;
          return d;
        },
        nullptr, false, address);
    auto dialog = saying("hello");
    const auto seen = dialog->seen;
    dialog->bytes = [](TestDialog& d, std::string_view) {
      if (d.seen->bytes == "hello") d.want = Want::close;
    };
    int progresses = 0;
    bool last_had_dialog = false;
    SessionId id;
    id = net.connect(std::move(dialog), nullptr, [&](SessionId of) {
      CHECK(of == id);
      ++progresses;
      if (net.table.over(of)) last_had_dialog = net.table.dialog(of) != nullptr;
    });
    CHECK(id.generation != 0);
    CHECK_FALSE(net.table.over(id));
    CHECK(progresses == 0);
    net.run_until([&] { return net.table.size() == 0 && served && served->destroyed; });
    CHECK(seen->bytes == "hello");
    CHECK(seen->closed.empty());  // it wanted to close itself
    CHECK(seen->sent == 1);
    CHECK(last_had_dialog);
    CHECK(progresses >= 3);
    REQUIRE(served->closed.size() == 1);
    CHECK(served->closed[0].why == Closed::Why::end_of_file);
    CHECK(net.table.over(id));
    CHECK(net.table.dialog(id) == nullptr);
  }
}

TEST_CASE("a connection that cannot be made") {
  Net net;
  net.serve(echoing);
  const std::uint16_t port = net.listener->port();
  net.listener.reset();
  struct Case {
    std::string address;
    std::string detail;
  };
  for (const auto& [address, detail] :
       {Case{"127.0.0.1", "connection refused"}, Case{"::1", "connection refused"},
        Case{"not an address", "\"not an address\" is not an IP address"}}) {
    auto dialog = echoing();
    const auto seen = dialog->seen;
    bool last = false;
    const SessionId id = net.table.connect({"x", address, port}, std::move(dialog), nullptr,
                                           [&](SessionId of) { last = net.table.over(of); });
    CHECK(seen->closed.empty());
    net.run_until([&] { return net.table.over(id); });
    REQUIRE(seen->closed.size() == 1);
    CHECK(seen->closed[0].why == Closed::Why::connect_failed);
    CHECK(seen->closed[0].detail == detail);
    CHECK_FALSE(seen->opened);
    CHECK(last);
  }
}

TEST_CASE("connecting ends when the dialog's deadline passes") {
  Net net;
  auto dialog = echoing();
  const auto seen = dialog->seen;
  dialog->limit = net.loop.now() + std::chrono::milliseconds(20);
  dialog->timed_out = [](TestDialog& d) { d.want = Want::close; };
  // A listener whose backlog is full answers no further SYN.
  Socket full(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  auto any = parse_address("127.0.0.1", 0);
  REQUIRE(::bind(full.get(), any->get(), any->size) == 0);
  REQUIRE(::listen(full.get(), 0) == 0);
  SocketAddress bound;
  bound.size = sizeof bound.storage;
  REQUIRE(::getsockname(full.get(), bound.get(), &bound.size) == 0);
  const std::uint16_t port = describe(bound).port;
  std::vector<Socket> fillers;
  for (int i = 0; i < 4; ++i) fillers.push_back(std::move(*start_connect("127.0.0.1", port)));
  const SessionId id =
      net.table.connect({"x", "127.0.0.1", port}, std::move(dialog), nullptr, [](SessionId) {});
  net.run_until([&] { return net.table.over(id); });
  CHECK(seen->timeouts == 1);
  CHECK_FALSE(seen->opened);
  CHECK(seen->destroyed);
}

TEST_CASE("stale ids find nothing; a slot that is used again has another generation") {
  Net net;
  net.serve(echoing);
  std::vector<SessionId> ids;
  for (int i = 0; i < 5; ++i) {
    const SessionId id = net.connect(echoing());
    for (const SessionId old : ids) CHECK_FALSE(old == id);
    ids.push_back(id);
    net.table.close(id);
    net.run_until([&] { return net.table.over(id); });
    for (const SessionId old : ids) {
      CHECK(net.table.dialog(old) == nullptr);
      net.table.kick(old);
      net.table.close(old);
    }
  }
  CHECK(net.table.over(SessionId{}));
  CHECK(net.table.dialog(SessionId{}) == nullptr);
  CHECK(net.table.over(SessionId{99, 1}));
  net.table.kick(SessionId{99, 1});
}

TEST_CASE("closing and kicking any session within progress") {
  Net net;
  net.serve(echoing);
  std::vector<SessionId> ids;
  std::vector<std::shared_ptr<TestDialog::Seen>> seen;
  int last = 0;
  for (int i = 0; i < 4; ++i) {
    auto dialog = saying("x");
    seen.push_back(dialog->seen);
    ids.push_back(net.connect(std::move(dialog), nullptr, [&](SessionId id) {
      if (net.table.over(id)) ++last;
      for (const SessionId other : ids) {
        net.table.kick(other);
        net.table.close(other);
        net.table.close(other);
      }
      if (!net.table.over(id)) CHECK(net.table.dialog(id) != nullptr);
    }));
  }
  net.run_until([&] { return last == 4 && net.table.size() == 0; });
  for (const auto& s : seen) {
    REQUIRE(s->closed.size() == 1);
    CHECK(s->closed[0].detail == "closed on this side");
    CHECK(s->destroyed);
  }
}

TEST_CASE("a kick brings a progress; one from within only if it brought output") {
  Net net;
  net.serve(echoing);
  int progresses = 0;
  SessionId id;
  auto dialog = echoing();
  dialog->bytes = nullptr;
  const auto seen = dialog->seen;
  id = net.connect(std::move(dialog), nullptr, [&](SessionId) {
    ++progresses;
    net.table.kick(id);  // for ever, if it counted
  });
  net.run_until([&] { return seen->opened; });
  const int before = progresses;
  auto* d = static_cast<TestDialog*>(net.table.dialog(id));
  d->out.append("ping");
  net.table.kick(id);
  CHECK(progresses == before);  // not inside the call
  net.run_until([&] { return seen->bytes == "ping"; });
  CHECK(progresses > before);
  CHECK(progresses < 12);
}

TEST_CASE("what comes while the dialog is on hold is read after it") {
  Net net;
  std::shared_ptr<TestDialog::Seen> served;
  net.serve([&] {
    auto d = std::make_unique<TestDialog>();
    served = d->seen;
    d->bytes = [](TestDialog& self, std::string_view) { self.want = Want::hold; };
    return d;
  });
  const Socket client = net.raw_client();
  REQUIRE(::send(client.get(), "first", 5, 0) == 5);
  net.run_until([&] { return served && served->bytes == "first"; });
  REQUIRE(::send(client.get(), "second", 6, 0) == 6);
  REQUIRE(::shutdown(client.get(), SHUT_WR) == 0);
  bool later = false;
  net.loop.at(net.loop.now() + std::chrono::milliseconds(20), [&] { later = true; });
  net.run_until([&] { return later; });
  CHECK(served->bytes == "first");
  CHECK(served->closed.empty());
  static_cast<TestDialog*>(net.table.dialog(net.accepted[0]))->want = Want::bytes;
  net.table.kick(net.accepted[0]);
  net.run_until([&] { return served->bytes == "firstsecond"; });
  static_cast<TestDialog*>(net.table.dialog(net.accepted[0]))->want = Want::bytes;
  net.table.kick(net.accepted[0]);
  net.run_until([&] { return served->closed.size() == 1; });
  CHECK(served->closed[0].why == Closed::Why::end_of_file);
}

TEST_CASE("the last reply is not lost though the client's input was never read") {
  Net net;
  net.serve([] {
    auto d = std::make_unique<TestDialog>();
    d->bytes = [](TestDialog& self, std::string_view) {
      self.out.append("413 too large");
      self.want = Want::close;
    };
    return d;
  });
  const Socket client = net.raw_client();
  const std::string large(300'000, 'x');
  std::size_t sent = 0;
  net.run_until([&] {
    const ssize_t n = ::send(client.get(), large.data() + sent, large.size() - sent, MSG_DONTWAIT);
    if (n > 0) sent += static_cast<std::size_t>(n);
    return sent == large.size();
  });
  // Not yet closed: the server waits for the client's end.
  net.run_until([&] {
    char one = 0;
    return ::recv(client.get(), &one, 1, MSG_DONTWAIT | MSG_PEEK) > 0;
  });
  CHECK(net.table.over(net.accepted[0]));
  CHECK(net.table.size() == 1);
  CHECK(read_to_end(client.get()) == "413 too large");
  REQUIRE(::shutdown(client.get(), SHUT_WR) == 0);
  net.run_until([&] { return net.table.size() == 0; });
}

TEST_CASE("a client that keeps its half open is not waited for beyond the limit") {
  SessionLimits limits;
  limits.linger_timeout = std::chrono::milliseconds(20);
  Net net(limits);
  net.serve([] {
    auto d = saying("421 bye");
    d->want = Want::close;
    return d;
  });
  const Socket client = net.raw_client();
  net.run_until([&] { return !net.accepted.empty() && net.table.size() == 0; });
  CHECK(read_to_end(client.get()) == "421 bye");
}

TEST_CASE("a dialog is told of its deadline once, and of a later one again") {
  Net net;
  std::shared_ptr<TestDialog::Seen> served;
  net.serve([&] {
    auto d = std::make_unique<TestDialog>();
    served = d->seen;
    d->limit = net.loop.now() + std::chrono::milliseconds(10);
    d->timed_out = [&](TestDialog& self) {
      if (self.seen->timeouts == 1) self.limit = net.loop.now() + std::chrono::milliseconds(20);
    };
    return d;
  });
  const Socket client = net.raw_client();
  net.run_until([&] { return served && served->timeouts == 2; });
  bool later = false;
  net.loop.at(net.loop.now() + std::chrono::milliseconds(30), [&] { later = true; });
  net.run_until([&] { return later; });
  CHECK(served->timeouts == 2);
}

TEST_CASE("content goes block by block: on_sent after each") {
  Net net;
  std::shared_ptr<TestDialog::Seen> served;
  net.serve([&] {
    auto d = std::make_unique<TestDialog>();
    served = d->seen;
    return d;
  });
  Body made;
  for (int i = 0; i < 100; ++i) made.append(std::string(100'000, static_cast<char>('a' + i % 26)));
  const auto body = std::make_shared<const Body>(std::move(made));
  auto dialog = std::make_unique<TestDialog>();
  const auto seen = dialog->seen;
  std::size_t next = 0;
  const auto block = [&, body](TestDialog& d) {
    if (next == body->segments().size()) {
      d.want = Want::close;
      return;
    }
    d.out.append(body, body->segments()[next++]);
    d.out.append("|");
  };
  dialog->opened = block;
  dialog->sent = block;
  net.connect(std::move(dialog));
  net.run_until([&] { return served && !served->closed.empty(); });
  CHECK(seen->sent == 101 - 1);
  std::string expected;
  for (const auto& s : body->segments()) expected += s + "|";
  CHECK(served->bytes == expected);
  CHECK(served->closed[0].why == Closed::Why::end_of_file);
}

TEST_CASE("a reset is told as such, after what came before it") {
  Net net;
  std::shared_ptr<TestDialog::Seen> served;
  net.serve([&] {
    auto d = saying("220 hello");
    served = d->seen;
    return d;
  });
  {
    const Socket client = net.raw_client();
    net.run_until([&] { return served && served->opened; });
    const linger now{1, 0};
    ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  net.run_until([&] { return !served->closed.empty(); });
  CHECK(served->closed[0].why == Closed::Why::reset);
  CHECK(served->closed[0].detail == "connection reset by peer");
}

TEST_CASE("a table is destroyed with sessions in every state, and calls nobody") {
  bool called = false;
  std::shared_ptr<TestDialog::Seen> served;
  {
    Net net;
    net.serve([&] {
      auto d = echoing();
      served = d->seen;
      return d;
    });
    net.connect(saying("x"));
    net.run_until([&] { return served && served->bytes == "x"; });
    net.connect(saying("y"), nullptr, [&](SessionId) { called = true; });
    called = false;
  }
  CHECK_FALSE(called);
  CHECK(served->destroyed);
  CHECK(served->closed.empty());
}

TEST_CASE("after close_all no socket keeps the loop from ending, and nobody is called") {
  Net net;
  bool called = false;
  std::shared_ptr<TestDialog::Seen> served;
  net.serve([&] {
    auto d = saying("bye");
    d->want = Want::close;  // it lingers: its client never closes
    served = d->seen;
    return d;
  });
  const Socket lingering = net.raw_client();
  net.run_until([&] { return served && served->opened; });
  const SessionId id = net.connect(echoing(), nullptr, [&](SessionId) { called = true; });
  net.run_until([&] { return net.accepted.size() == 2; });
  called = false;
  net.listener.reset();
  net.table.close_all();
  CHECK(net.table.size() == 0);
  CHECK(net.table.over(id));
  CHECK(net.table.dialog(id) == nullptr);
  CHECK(served->destroyed);
  net.loop.stop();
  net.loop.run();
  CHECK_FALSE(called);
}

TEST_CASE("for_each names each living session, which may be closed in it") {
  Net net;
  net.serve(echoing);
  for (int i = 0; i < 3; ++i) net.connect(echoing());
  net.run_until([&] { return net.accepted.size() == 3; });
  int count = 0;
  net.table.for_each([&](SessionId id) {
    ++count;
    net.table.close(id);
  });
  CHECK(count == 6);
  net.run_until([&] { return net.table.size() == 0; });
}

}  // namespace
}  // namespace relay::net
