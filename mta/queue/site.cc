#include "mta/queue/site.h"

#include <arpa/inet.h>

#include <algorithm>

namespace relay::queue {

void Targets::set(std::vector<net::Target> targets, Instant fresh_until) {
  targets_ = std::move(targets);
  fresh_until_ = fresh_until;
}

void Targets::failed(const net::Target& target, Instant rest_until) {
  std::erase_if(rests_, [&](const Rest& r) { return r.address == target.address && r.port == target.port; });
  rests_.push_back({target.address, target.port, rest_until});
}

bool Targets::resting(const net::Target& target, Instant now) const {
  return std::ranges::any_of(rests_, [&](const Rest& r) {
    return r.until > now && r.address == target.address && r.port == target.port;
  });
}

std::vector<net::Target> Targets::plan(Instant now, std::uint32_t at_most) const {
  std::vector<net::Target> plan = targets_;
  std::ranges::stable_partition(plan, [&](const net::Target& t) { return !resting(t, now); });
  if (plan.size() > at_most) plan.resize(at_most);
  return plan;
}

std::optional<net::Target> literal_target(const std::string& host, std::uint16_t port) {
  std::string address = host;
  if (address.size() > 2 && address.front() == '[' && address.back() == ']')
    address = address.substr(1, address.size() - 2);
  if (address.size() > 5 && (address.starts_with("IPv6:") || address.starts_with("ipv6:")))
    address.erase(0, 5);
  unsigned char bytes[16];
  if (inet_pton(AF_INET, address.c_str(), bytes) != 1 && inet_pton(AF_INET6, address.c_str(), bytes) != 1)
    return std::nullopt;
  return net::Target{address, address, port};
}

bool ipv6(const net::Target& target) { return target.address.find(':') != std::string::npos; }

void leave_out(std::vector<net::Target>& targets, bool ipv4_too, bool ipv6_too) {
  const auto out = [&](const net::Target& target) { return ipv6(target) ? ipv6_too : ipv4_too; };
  if (!std::ranges::all_of(targets, out)) std::erase_if(targets, out);
}

std::vector<net::Target> targets_of(const std::vector<dns::Host>& hosts, std::uint16_t port) {
  std::vector<net::Target> targets;
  for (const dns::Host& host : hosts)
    for (const std::string& address : host.addresses) targets.push_back({host.name, address, port});
  return targets;
}

}  // namespace relay::queue
