// DnsServer: a scripted name server on loopback UDP, on its own thread. Names are asked in any case of
// letters. What is not scripted is refused, so that a test sees a question it did not expect.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "mta/base/result.h"
#include "mta/dns/records.h"

namespace relay::test {

class DnsServer {
 public:
  struct Script {
    int rcode = 0;
    std::vector<std::string> data;
    bool silent = false;
  };

  DnsServer() {
    fd_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    auto* address = reinterpret_cast<sockaddr*>(&at);
    RELAY_ASSERT(bind(fd_, address, size) == 0 && getsockname(fd_, address, &size) == 0);
    port_ = ntohs(at.sin_port);
    stop_ = eventfd(0, EFD_CLOEXEC);
    thread_ = std::thread([this] { serve(); });
  }
  ~DnsServer() {
    const std::uint64_t one = 1;
    RELAY_ASSERT(write(stop_, &one, sizeof one) == sizeof one);
    thread_.join();
    close(fd_);
    close(stop_);
  }
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;

  std::string server() const { return "127.0.0.1@" + std::to_string(port_); }
  void on(const std::string& name, dns::Type type, Script script) {
    const std::lock_guard lock(mutex_);
    scripts_[{name, static_cast<int>(type)}] = std::move(script);
  }
  int asked(const std::string& name, dns::Type type) {
    const std::lock_guard lock(mutex_);
    return asked_[{name, static_cast<int>(type)}];
  }

  static std::string wire(const std::string& name) {
    std::string out;
    for (std::size_t from = 0; from < name.size();) {
      const auto dot = std::min(name.find('.', from), name.size());
      out += static_cast<char>(dot - from);
      out += name.substr(from, dot - from);
      from = dot + 1;
    }
    return out + '\0';
  }
  static std::string u16(unsigned v) { return {static_cast<char>(v >> 8), static_cast<char>(v & 255)}; }
  static std::string mx(unsigned preference, const std::string& host) { return u16(preference) + wire(host); }
  static std::string address(const std::string& text) {
    std::array<char, 16> bytes{};
    const bool v6 = text.contains(':');
    RELAY_ASSERT(inet_pton(v6 ? AF_INET6 : AF_INET, text.c_str(), bytes.data()) == 1);
    return {bytes.data(), v6 ? 16u : 4u};
  }

 private:
  using Key = std::pair<std::string, int>;

  void serve() {
    std::array<pollfd, 2> fds{{{fd_, POLLIN, 0}, {stop_, POLLIN, 0}}};
    for (;;) {
      if (poll(fds.data(), fds.size(), -1) < 0) continue;
      if (fds[1].revents) return;
      std::array<char, 4096> buffer{};
      sockaddr_in from{};
      socklen_t size = sizeof from;
      auto* peer = reinterpret_cast<sockaddr*>(&from);
      const auto got = recvfrom(fd_, buffer.data(), buffer.size(), 0, peer, &size);
      if (got < 17) continue;
      const auto reply = answer({buffer.data(), static_cast<std::size_t>(got)});
      if (!reply.empty()) sendto(fd_, reply.data(), reply.size(), 0, peer, size);
    }
  }

  std::string answer(const std::string& query) {
    std::string name;
    std::size_t at = 12;
    while (at < query.size() && query[at]) {
      const auto length = static_cast<std::size_t>(query[at]);
      if (!name.empty()) name += '.';
      for (const char c : query.substr(at + 1, length)) name += static_cast<char>(std::tolower(c));
      at += length + 1;
    }
    if (at + 5 > query.size()) return {};
    const std::string question = query.substr(12, at + 5 - 12);
    const Key key{name, static_cast<unsigned char>(query[at + 2])};
    Script script{.rcode = 5, .data = {}, .silent = false};
    {
      const std::lock_guard lock(mutex_);
      ++asked_[key];
      if (const auto found = scripts_.find(key); found != scripts_.end()) script = found->second;
    }
    if (script.silent) return {};
    const bool negative = script.data.empty() && (script.rcode == 0 || script.rcode == 3);
    std::string out = query.substr(0, 2) + u16(0x8180u | static_cast<unsigned>(script.rcode)) + u16(1) +
                      u16(static_cast<unsigned>(script.data.size())) + u16(negative ? 1 : 0) + u16(0) +
                      question;
    for (const auto& data : script.data) out += record(u16(0xc00c), static_cast<unsigned>(key.second), data);
    if (negative) {
      const std::string numbers(20, '\1');
      out += record(u16(0xc00c), 6, wire("ns.invalid") + wire("root.invalid") + numbers);
    }
    return out;
  }

  static std::string record(const std::string& owner, unsigned type, const std::string& data) {
    return owner + u16(type) + u16(1) + u16(0) + u16(300) + u16(static_cast<unsigned>(data.size())) + data;
  }

  int fd_ = -1, stop_ = -1;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::map<Key, Script> scripts_;
  std::map<Key, int> asked_;
  std::thread thread_;
};

}  // namespace relay::test
