#include "mta/net/socket.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace relay::net {

Socket::~Socket() {
  if (fd_ >= 0) ::close(fd_);
}

Result<SocketAddress> parse_address(const std::string& address, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (address.empty() || ::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found) != 0 ||
      found == nullptr)
    return fail(Errc::invalid, fmt::format("\"{}\" is not an IP address", address));
  SocketAddress result;
  std::memcpy(&result.storage, found->ai_addr, found->ai_addrlen);
  result.size = found->ai_addrlen;
  ::freeaddrinfo(found);
  return result;
}

wire::PeerInfo describe(const SocketAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.storage.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address.storage, sizeof v4);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return {text.data(), ntohs(v4.sin_port)};
  }
  if (address.storage.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address.storage, sizeof v6);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
      ::inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text.data(), text.size());
    else
      ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    return {text.data(), ntohs(v6.sin6_port)};
  }
  return {};
}

wire::PeerInfo peer_of(int fd) {
  SocketAddress address;
  address.size = sizeof address.storage;
  if (::getpeername(fd, address.get(), &address.size) != 0) return {};
  return describe(address);
}

std::string reason(int error_number) {
  std::array<char, 128> buffer{};
  std::string text = ::strerror_r(error_number, buffer.data(), buffer.size());
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

int pending_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

void send_at_once(int fd) {
  const int on = 1;
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

namespace {

// IPv6 that is switched off, or has no address but local ones, has no route either.
std::unexpected<Error> connect_error(int number) {
  const bool no_route = number == ENETUNREACH || number == EAFNOSUPPORT || number == EADDRNOTAVAIL;
  return fail(no_route ? Errc::not_found : Errc::unavailable, reason(number));
}

}  // namespace

Result<Socket> start_connect(const std::string& address, std::uint16_t port) {
  auto parsed = parse_address(address, port);
  if (!parsed) return std::unexpected(parsed.error());
  Socket socket(::socket(parsed->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return connect_error(errno);
  send_at_once(socket.get());
  if (::connect(socket.get(), parsed->get(), parsed->size) != 0 && errno != EINPROGRESS)
    return connect_error(errno);
  return socket;
}

}  // namespace relay::net
