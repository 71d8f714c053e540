#include "mta/net/listener.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <utility>

#include "mta/base/log.h"

namespace relay::net {
namespace {

using namespace std::chrono_literals;

constexpr int backlog = 1024;       // bursts of new connections wait here; the kernel cuts it at somaxconn
constexpr int accepts_a_turn = 64;  // then other sessions get their turn
constexpr Duration exhausted_pause = 1s;  // without descriptors or memory: others end meanwhile

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string reason(int error) { return std::generic_category().message(error); }

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

bool parse_ip(const std::string& text, std::uint16_t port, Address& out) {
  sockaddr_in four{};
  if (inet_pton(AF_INET, text.c_str(), &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    std::memcpy(&out.storage, &four, sizeof four);
    out.length = sizeof four;
    return true;
  }
  sockaddr_in6 six{};
  if (inet_pton(AF_INET6, text.c_str(), &six.sin6_addr) != 1) return false;
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(port);
  std::memcpy(&out.storage, &six, sizeof six);
  out.length = sizeof six;
  return true;
}

wire::PeerInfo peer_of(const sockaddr_storage& storage) {
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, &storage, sizeof four);
    inet_ntop(AF_INET, &four.sin_addr, text, sizeof text);
    return {text, ntohs(four.sin_port)};
  }
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 six{};
    std::memcpy(&six, &storage, sizeof six);
    if (IN6_IS_ADDR_V4MAPPED(&six.sin6_addr)) {
      inet_ntop(AF_INET, &six.sin6_addr.s6_addr[12], text, sizeof text);
    } else {
      inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof text);
    }
    return {text, ntohs(six.sin6_port)};
  }
  return {};  // a Unix socket's peer has no address
}

bool answers(const sockaddr_un& at) {
  Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
}

}  // namespace

struct Listener::Impl {
  Impl(UvLoop& l, Descriptor d, OnAccept on) : loop(l), fd(std::move(d)), on_accept(std::move(on)) {
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
    uv_poll_start(poll, UV_READABLE, [](uv_poll_t* h, int, int) {
      if (h->data) static_cast<Impl*>(h->data)->accept_some();
    });
  }

  void accept_some() {
    for (int i = 0; i < accepts_a_turn; ++i) {
      sockaddr_storage from{};
      socklen_t length = sizeof from;
      int accepted =
          ::accept4(fd.get(), reinterpret_cast<sockaddr*>(&from), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (accepted >= 0) {
        on_accept(accepted, peer_of(from));
        continue;
      }
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) return pause(errno);
      if (errno == EAGAIN) return;
      // ECONNABORTED and the like concern one connection: the next may be good.
    }
  }

  void pause(int error) {
    log::warn("no connection can be taken for a moment: {}", reason(error));
    uv_poll_stop(poll);
    timer = loop.at(loop.now() + exhausted_pause, [this] { resume(); });
  }

  UvLoop& loop;
  Descriptor fd;
  OnAccept on_accept;
  uv_poll_t* poll = nullptr;
  TimerId timer;
  std::string path;  // of a Unix socket
  std::uint16_t bound_port = 0;
};

Listener::Listener(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Listener::~Listener() = default;

std::uint16_t Listener::port() const { return impl_->bound_port; }

namespace {

Result<Descriptor> bound(const std::string& address, std::uint16_t port, bool shared, Address& at) {
  auto failed = [&](const std::string& why) {
    return fail(Errc::unavailable, fmt::format("cannot listen on {} port {}: {}", address, port, why));
  };
  if (!parse_ip(address, port, at)) return failed("that is no IP address");
  Descriptor fd(::socket(at.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return failed(reason(errno));
  int on = 1;
  if (setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      (shared && setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)) {
    return failed(reason(errno));
  }
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at.storage), at.length) != 0 ||
      ::listen(fd.get(), backlog) != 0) {
    return failed(errno == EADDRINUSE ? "it is in use by another program" : reason(errno));
  }
  return fd;
}

}  // namespace

Result<void> Listener::check_free(const std::string& address, std::uint16_t port) {
  Address at;
  auto fd = bound(address, port, false, at);
  return fd ? Result<void>() : std::unexpected(fd.error());
}

Result<std::unique_ptr<Listener>> Listener::tcp(UvLoop& loop, const std::string& address, std::uint16_t port,
                                                OnAccept on_accept) {
  Address at;
  auto fd = bound(address, port, true, at);
  if (!fd) return std::unexpected(fd.error());
  socklen_t length = sizeof at.storage;
  if (getsockname(fd->get(), reinterpret_cast<sockaddr*>(&at.storage), &length) != 0) {
    return fail(Errc::system, reason(errno));
  }
  auto impl = std::make_unique<Impl>(loop, std::move(*fd), std::move(on_accept));
  impl->bound_port = peer_of(at.storage).port;
  return std::unique_ptr<Listener>(new Listener(std::move(impl)));
}

Result<std::unique_ptr<Listener>> Listener::local(UvLoop& loop, const std::string& path, OnAccept on_accept) {
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
  Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return failed(reason(errno));
  // Access rights before anyone can connect: nobody can until listen().
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) return failed(reason(errno));
  if (::chmod(path.c_str(), 0660) != 0 || ::listen(fd.get(), backlog) != 0) return failed(reason(errno));
  auto impl = std::make_unique<Impl>(loop, std::move(fd), std::move(on_accept));
  impl->path = path;
  return std::unique_ptr<Listener>(new Listener(std::move(impl)));
}

}  // namespace relay::net
