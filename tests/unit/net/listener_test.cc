#include "mta/net/listener.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <fstream>

#include "mta/base/log.h"
#include "tests/unit/net/certificate.h"
#include "tests/unit/net/wire_test.h"

namespace relay::net {
namespace {

using test::Net;

Socket connect_local(const std::string& path) {
  Socket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return Socket();
  return socket;
}

TEST_CASE("a TCP listener hands over non-blocking descriptors and says who connected") {
  Net net;
  Socket accepted;
  wire::PeerInfo peer;
  auto listener = Listener::tcp(net.loop, "127.0.0.1", 0, [&](int fd, const wire::PeerInfo& p) {
    accepted = Socket(fd);
    peer = p;
  });
  REQUIRE(listener);
  CHECK((*listener)->port() != 0);
  auto client = start_connect("127.0.0.1", (*listener)->port());
  REQUIRE(client);
  net.run_until([&] { return static_cast<bool>(accepted); });
  CHECK(peer.address == "127.0.0.1");
  CHECK(peer.port != 0);
  CHECK((::fcntl(accepted.get(), F_GETFL) & O_NONBLOCK) != 0);
  CHECK((::fcntl(accepted.get(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("two loops of this process share a port; a port of another's is in use") {
  UvLoop first_loop;
  UvLoop second_loop;
  const auto ignore = [](int fd, const wire::PeerInfo&) { const Socket close(fd); };
  auto first = Listener::tcp(first_loop, "127.0.0.1", 0, ignore);
  REQUIRE(first);
  const std::uint16_t port = (*first)->port();
  auto second = Listener::tcp(second_loop, "127.0.0.1", port, ignore);
  REQUIRE(second);
  CHECK((*second)->port() == port);

  // Not by SO_REUSEPORT: as good as another program's.
  Socket other(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  auto any = parse_address("127.0.0.2", 0);
  REQUIRE(::bind(other.get(), any->get(), any->size) == 0);
  REQUIRE(::listen(other.get(), 1) == 0);
  SocketAddress bound;
  bound.size = sizeof bound.storage;
  REQUIRE(::getsockname(other.get(), bound.get(), &bound.size) == 0);
  const std::uint16_t taken = describe(bound).port;
  auto refused = Listener::tcp(first_loop, "127.0.0.2", taken, ignore);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message ==
        "cannot listen on 127.0.0.2 port " + std::to_string(taken) + ": it is in use by another program");
  CHECK_FALSE(Listener::check_free("127.0.0.1", port));
  first->reset();
  second->reset();
  CHECK(Listener::check_free("127.0.0.1", port));
}

TEST_CASE("addresses that cannot be listened on") {
  UvLoop loop;
  struct Case {
    std::string address, message;
  };
  for (const auto& [address, message] :
       {Case{"192.0.2.7", "cannot listen on 192.0.2.7 port 2587: cannot assign requested address"},
        Case{"2001:db8::7", "cannot listen on 2001:db8::7 port 2587: cannot assign requested address"},
        Case{"localhost", "cannot listen on localhost port 2587: that is no IP address"},
        Case{"", "cannot listen on  port 2587: that is no IP address"}}) {
    auto made = Listener::tcp(loop, address, 2587, [](int, const wire::PeerInfo&) {});
    REQUIRE_FALSE(made);
    CHECK(made.error().message == message);
  }
}

TEST_CASE("a Unix socket: mode, stale file replaced, live one kept, removed at the end") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("relay.sock");
  Net net;
  int accepted = 0;
  const auto count = [&](int fd, const wire::PeerInfo& peer) {
    const Socket close(fd);
    CHECK(peer.address.empty());
    ++accepted;
  };
  {  // the file of a process that was killed
    Socket stale(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(stale.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  {
    auto listener = Listener::local(net.loop, path, count);
    REQUIRE(listener);
    struct stat status{};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0660);
    const Socket client = connect_local(path);
    CHECK(client);
    net.run_until([&] { return accepted == 1; });
    auto second = Listener::local(net.loop, path, count);
    REQUIRE_FALSE(second);
    CHECK(second.error().message == "cannot listen on " + path + ": it is in use by another program");
    CHECK(connect_local(path));
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a Unix socket where it cannot be") {
  const test::TemporaryDirectory directory;
  UvLoop loop;
  const auto make = [&](const std::string& path) {
    auto made = Listener::local(loop, path, [](int, const wire::PeerInfo&) {});
    REQUIRE_FALSE(made);
    return made.error().message;
  };
  const std::string file = directory.file("file");
  std::ofstream(file) << "precious";
  CHECK(make(file) == "cannot listen on " + file + ": something that is no socket is in its place");
  CHECK(std::filesystem::file_size(file) == 8);
  const std::string missing = directory.file("no/where.sock");
  CHECK(make(missing) == "cannot listen on " + missing + ": no such file or directory");
  CHECK(make(std::string(200, 'x')).find("at most") != std::string::npos);
}

TEST_CASE("when descriptors run out, clients are told so, and accepting goes on by itself") {
  Net net;
  std::vector<Socket> accepted;
  std::size_t told = 0;
  auto listener = Listener::tcp(
      net.loop, "127.0.0.1", 0, [&](int fd, const wire::PeerInfo&) { accepted.emplace_back(fd); },
      [&](int fd, const wire::PeerInfo& peer) {
        told += peer.address == "127.0.0.1" && ::send(fd, "421", 3, 0) == 3 ? 1 : 0;
      });
  REQUIRE(listener);
  std::vector<Socket> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(std::move(*start_connect("127.0.0.1", (*listener)->port())));
  // UBSan needs descriptors when it meets an object's type for the first time: so the log is used once
  // before they run out, and no check of doctest's meanwhile.
  log::warn("the next warning is expected");
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(Socket(::dup(clients[0].get())).get());
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &tight) == 0);
  while (told < clients.size()) uv_run(net.loop.raw(), UV_RUN_ONCE);
  bool later = false;  // nobody waits any more, and that costs no turn of the loop
  net.loop.at(net.loop.now() + std::chrono::milliseconds(30), [&] { later = true; });
  int turns = 0;
  for (; !later; ++turns) uv_run(net.loop.raw(), UV_RUN_ONCE);
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(turns < 20);
  CHECK(accepted.empty());
  for (const Socket& client : clients) {
    char buffer[8];
    CHECK(::recv(client.get(), buffer, sizeof buffer, 0) == 3);
    CHECK(::recv(client.get(), buffer, sizeof buffer, 0) == 0);
  }
  auto next = start_connect("127.0.0.1", (*listener)->port());
  net.run_until([&] { return accepted.size() == 1; });
  CHECK(told == 3);
}

TEST_CASE("without even the reserve, accepting pauses and goes on by itself") {
  Net net;
  std::vector<Socket> accepted;
  std::size_t told = 0;
  const Socket below(::dup(0));  // the listener's descriptors are above it
  auto listener = Listener::tcp(
      net.loop, "127.0.0.1", 0, [&](int fd, const wire::PeerInfo&) { accepted.emplace_back(fd); },
      [&](int, const wire::PeerInfo&) { ++told; });
  REQUIRE(listener);
  auto client = start_connect("127.0.0.1", (*listener)->port());
  log::warn("the next warnings are expected");
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const auto limit = [&](int descriptors) {
    rlimit tight = before;
    tight.rlim_cur = static_cast<rlim_t>(descriptors);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &tight) == 0);
  };
  const auto turn_for = [&](std::chrono::milliseconds time) {
    bool over = false;
    net.loop.at(net.loop.now() + time, [&] { over = true; });
    while (!over) uv_run(net.loop.raw(), UV_RUN_ONCE);
  };
  const int next = Socket(::dup(client->get())).get();
  // What the listener gives up then cannot be had again.
  limit(below.get() + 1);
  turn_for(std::chrono::milliseconds(30));
  const std::size_t told_without = told, accepted_without = accepted.size();
  limit(next);  // the one given up is free, and becomes the reserve again
  while (told == 0) uv_run(net.loop.raw(), UV_RUN_ONCE);
  ::setrlimit(RLIMIT_NOFILE, &before);
  auto second = start_connect("127.0.0.1", (*listener)->port());
  net.run_until([&] { return accepted.size() == 1; });
  CHECK(told_without == 0);
  CHECK(accepted_without == 0);
  CHECK(told == 1);
}

}  // namespace
}  // namespace relay::net
