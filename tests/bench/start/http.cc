#include "tests/bench/start/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "tests/bench/start/child.h"

namespace relay::bench {
namespace {

bool connect_to(int descriptor, std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(descriptor, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0;
}

}  // namespace

Http Http::tcp(std::uint16_t port) {
  Http http(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int yes = 1;
  setsockopt(http.descriptor_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (!connect_to(http.descriptor_, port)) give_up("cannot connect");
  return http;
}

void wait_until_accepting(std::uint16_t port) {
  for (const auto start = Steady::now(); seconds_since(start) < 60;) {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool connected = connect_to(descriptor, port);
    ::close(descriptor);
    if (connected) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  give_up("nobody listens");
}

Http Http::local(const std::string& path) {
  Http http(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  path.copy(at.sun_path, sizeof at.sun_path - 1);
  if (::connect(http.descriptor_, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0)
    give_up("cannot connect to " + path);
  return http;
}

Http::~Http() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Http::Http(Http&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), buffer_(std::move(other.buffer_)) {}

void Http::send(const std::string& text) {
  for (std::size_t sent = 0; sent < text.size();) {
    const ssize_t n = ::send(descriptor_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) give_up("the relay has closed a connection");
    sent += static_cast<std::size_t>(n);
  }
}

void Http::receive() {
  char bytes[16384];
  const ssize_t n = ::recv(descriptor_, bytes, sizeof bytes, 0);
  if (n <= 0) give_up("the relay has closed a connection");
  buffer_.append(bytes, static_cast<std::size_t>(n));
}

Http::Answer Http::request(const std::string& method, const std::string& target, const std::string& body,
                           const std::string& key) {
  std::string text = method + " " + target + " HTTP/1.1\r\nHost: relay\r\n";
  if (!key.empty()) text += "Authorization: Bearer " + key + "\r\n";
  if (method == "POST")
    text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  send(text + "\r\n" + body);
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) receive();
  const std::string header = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  const std::string length = "Content-Length: ";
  const auto at = header.find(length);
  const std::size_t size =
      at == std::string::npos ? 0 : std::strtoull(header.c_str() + at + length.size(), nullptr, 10);
  while (buffer_.size() < size) receive();
  Answer answer{std::atoi(header.c_str() + header.find(' ')), buffer_.substr(0, size)};
  buffer_.erase(0, size);
  return answer;
}

std::uint64_t number_in(const std::string& json, const std::string& name) {
  const auto at = json.find("\"" + name + "\":");
  if (at == std::string::npos) give_up("the relay's answer lacks " + name + ": " + json);
  return std::strtoull(json.c_str() + at + name.size() + 3, nullptr, 10);
}

}  // namespace relay::bench
