#include "mta/net/listener.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "mta/base/log.h"
#include "mta/net/socket.h"

namespace relay::net {
namespace {

using namespace std::chrono_literals;

constexpr int backlog = 1024;       // bursts of new connections wait here; the kernel cuts it at somaxconn
constexpr int accepts_a_turn = 64;  // then other sessions get their turn
constexpr Duration exhausted_pause = 100ms;  // without descriptors or memory: others end meanwhile
constexpr Duration warning_pause = 10s;

// Not waited for: a listener whose backlog is full (EAGAIN) lives too.
bool answers(const sockaddr_un& at) {
  const Socket probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0 || errno == EAGAIN;
}

}  // namespace

struct Listener::Impl {
  Impl(UvLoop& l, Socket d, OnAccept on, OnExhausted none_left)
      : loop(l), fd(std::move(d)), on_accept(std::move(on)), exhausted(std::move(none_left)) {
    auto* handle = new uv_poll_t;  // NOLINT(cppcoreguidelines-owning-memory): freed by its close callback
    poll = handle;
    poll->data = this;
    uv_poll_init(loop.raw(), poll, fd.get());
    resume();
  }
  ~Impl() {
    loop.cancel(timer);
    poll->data = nullptr;
    uv_poll_stop(poll);
    uv_close(reinterpret_cast<uv_handle_t*>(poll), [](uv_handle_t* h) {
      delete reinterpret_cast<uv_poll_t*>(h);  // NOLINT(cppcoreguidelines-owning-memory)
    });
    if (!path.empty()) ::unlink(path.c_str());
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void resume() {
    keep_spare();
    uv_poll_start(poll, UV_READABLE, [](uv_poll_t* h, int, int) {
      if (h->data) static_cast<Impl*>(h->data)->accept_some();
    });
  }

  void keep_spare() {
    if (!spare) spare = Socket(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  }

  struct Accepted {
    int fd = -1;
    int error = 0;
    wire::PeerInfo peer;
  };
  Accepted accept_one() {
    SocketAddress from;
    from.size = sizeof from.storage;
    const int accepted = ::accept4(fd.get(), from.get(), &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) return {-1, errno, {}};
    return {accepted, 0, describe(from)};
  }

  void accept_some() {
    for (int i = 0; i < accepts_a_turn; ++i) {
      Accepted one = accept_one();
      if (one.error == EMFILE || one.error == ENFILE) {
        // The kernel looks for a free descriptor before it looks for a connection: there may be none.
        spare = Socket();
        one = accept_one();
      }
      if (one.error == EAGAIN) return keep_spare();
      if (one.error == EMFILE || one.error == ENFILE || one.error == ENOBUFS || one.error == ENOMEM)
        return pause(one.error);
      if (one.error != 0) continue;  // ECONNABORTED and the like concern one connection: the next may be good
      if (spare)
        on_accept(one.fd, one.peer);
      else
        turn_away(one);
    }
  }

  void turn_away(const Accepted& one) {
    warn("connections are turned away, as no descriptor is left: the limit of open files is too low");
    if (exhausted) exhausted(one.fd, one.peer);
    spare = Socket(one.fd);
    ::dup3(fd.get(), one.fd, O_CLOEXEC);  // ends the connection
  }

  void pause(int error) {
    warn("no connection can be taken for a moment: " + reason(error));
    uv_poll_stop(poll);
    timer = loop.at(loop.now() + exhausted_pause, [this] { resume(); });
  }

  // Once a while, as it may hold for many connections.
  void warn(const std::string& what) {
    if (loop.now() < quiet_until) return;
    quiet_until = loop.now() + warning_pause;
    log::warn("port {}: {}", path.empty() ? std::to_string(bound_port) : path, what);
  }

  UvLoop& loop;
  Socket fd;
  Socket spare;  // given up to tell a client that there is no other
  OnAccept on_accept;
  OnExhausted exhausted;
  Instant quiet_until{};
  uv_poll_t* poll = nullptr;
  TimerId timer;
  std::string path;  // of a Unix socket
  std::uint16_t bound_port = 0;
};

Listener::Listener(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Listener::~Listener() = default;

std::uint16_t Listener::port() const { return impl_->bound_port; }

namespace {

Result<Socket> bound(const std::string& address, std::uint16_t port, bool shared) {
  auto failed = [&](const std::string& why) {
    return fail(Errc::unavailable, fmt::format("cannot listen on {} port {}: {}", address, port, why));
  };
  const auto at = parse_address(address, port);
  if (!at) return failed("that is no IP address");
  Socket fd(::socket(at->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return failed(reason(errno));
  int on = 1;
  if (setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      (shared && setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)) {
    return failed(reason(errno));
  }
  if (::bind(fd.get(), at->get(), at->size) != 0 || ::listen(fd.get(), backlog) != 0) {
    return failed(errno == EADDRINUSE ? "it is in use by another program" : reason(errno));
  }
  return fd;
}

}  // namespace

Result<void> Listener::check_free(const std::string& address, std::uint16_t port) {
  auto fd = bound(address, port, false);
  return fd ? Result<void>() : std::unexpected(fd.error());
}

Result<std::unique_ptr<Listener>> Listener::tcp(UvLoop& loop, const std::string& address, std::uint16_t port,
                                                OnAccept on_accept, OnExhausted exhausted) {
  auto fd = bound(address, port, true);
  if (!fd) return std::unexpected(fd.error());
  SocketAddress at;
  at.size = sizeof at.storage;
  if (getsockname(fd->get(), at.get(), &at.size) != 0) {
    return fail(Errc::system, reason(errno));
  }
  auto impl = std::make_unique<Impl>(loop, std::move(*fd), std::move(on_accept), std::move(exhausted));
  impl->bound_port = describe(at).port;
  return std::unique_ptr<Listener>(new Listener(std::move(impl)));
}

Result<std::unique_ptr<Listener>> Listener::local(UvLoop& loop, const std::string& path, OnAccept on_accept,
                                                  OnExhausted exhausted) {
  auto failed = [&](const std::string& why) {
    return fail(Errc::unavailable, fmt::format("cannot listen on {}: {}", path, why));
  };
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  if (path.size() >= sizeof at.sun_path) {
    return failed(fmt::format("the path of a Unix socket has at most {} characters", sizeof at.sun_path - 1));
  }
  std::memcpy(at.sun_path, path.c_str(), path.size() + 1);
  if (answers(at)) return failed("it is in use by another program");
  struct stat there{};
  if (::lstat(path.c_str(), &there) == 0) {
    if (!S_ISSOCK(there.st_mode)) return failed("something that is no socket is in its place");
    ::unlink(path.c_str());  // left by a process that was killed
  }
  Socket fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return failed(reason(errno));
  // Access rights before anyone can connect: nobody can until listen().
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) return failed(reason(errno));
  if (::chmod(path.c_str(), 0660) != 0 || ::listen(fd.get(), backlog) != 0) return failed(reason(errno));
  auto impl = std::make_unique<Impl>(loop, std::move(fd), std::move(on_accept), std::move(exhausted));
  impl->path = path;
  return std::unique_ptr<Listener>(new Listener(std::move(impl)));
}

}  // namespace relay::net
