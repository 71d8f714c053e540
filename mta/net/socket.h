// Socket: an owned descriptor, and the few calls on sockets that sessions and listeners share. All sockets
// here are non-blocking and close-on-exec. Errors carry the reason alone; callers know the address.
#pragma once
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <utility>

#include "mta/base/result.h"
#include "mta/wire/dialog.h"

namespace relay::net {

class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Socket();
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

// A textual IPv4 or IPv6 address; names are not looked up.
Result<SocketAddress> parse_address(const std::string& address, std::uint16_t port);
// "192.0.2.1", "2001:db8::1"; an IPv4 address mapped into IPv6 as IPv4; nothing for a Unix socket.
wire::PeerInfo describe(const SocketAddress& address);
wire::PeerInfo peer_of(int fd);

std::string reason(int error_number);  // "connection refused"
int pending_error(int fd);             // SO_ERROR
void send_at_once(int fd);             // TCP_NODELAY; nothing for a Unix socket

// A connection under way, or the reason why there can be none: Errc::not_found if this machine has no route.
Result<Socket> start_connect(const std::string& address, std::uint16_t port);

}  // namespace relay::net
