#include "mta/main/own_addresses.h"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <set>
#include <utility>

#include "mta/base/log.h"
#include "mta/dns/records.h"
#include "mta/net/socket.h"

namespace relay {
namespace {

// One family's.
std::vector<std::string> of_interfaces(int family) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) {
    log::warn("the addresses of this machine cannot be listed: {}", net::reason(errno));
    return {};
  }
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, ::freeifaddrs);
  std::vector<std::string> addresses;
  for (const ifaddrs* at = list; at; at = at->ifa_next) {
    if (!at->ifa_addr || at->ifa_addr->sa_family != family) continue;
    net::SocketAddress address;
    address.size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    std::memcpy(&address.storage, at->ifa_addr, address.size);
    addresses.push_back(net::describe(address).address);
  }
  return addresses;
}

}  // namespace

std::vector<std::string> own_addresses(const conf::Config& config) {
  std::set<std::string> all;
  const auto add = [&](const std::string& listened) {
    const auto add_all = [&](int family) {
      for (auto& address : of_interfaces(family)) all.insert(std::move(address));
    };
    const bool both = listened == "::";  // it takes IPv4 too
    if (both) add_all(AF_INET6);
    if (both || listened == "0.0.0.0") return add_all(AF_INET);
    if (const auto address = dns::literal_address(listened)) all.insert(*address);
  };
  for (const auto& listener : config.submission.listeners) add(listener.address);
  for (const auto& listener : config.inbound.listeners) add(listener.address);
  return {all.begin(), all.end()};
}

}  // namespace relay
