#include "mta/dns/screen.h"

#include <algorithm>
#include <utility>

#include "mta/base/network.h"

namespace relay::dns {
namespace {

void add(std::string& notes, const std::string& what) { notes += (notes.empty() ? "" : "; ") + what; }

bool own_address(const HostRules& rules, const std::string& address) {
  // An IPv4 address may come mapped into IPv6.
  return within(rules.own_addresses, address) && !rules.guard.allows_expressly(address);
}

// Without the addresses that are refused.
void guard(Host& host, const HostRules& rules, Screened& result) {
  std::erase_if(host.addresses, [&](const std::string& address) {
    const auto why = rules.guard.refuses(address);
    if (!why) return false;
    result.refused = true;
    add(result.notes, host.name + " has " + address + ", " + std::string(*why));
    return true;
  });
}

}  // namespace

bool own_name(const HostRules& rules, std::string_view name) {
  return std::ranges::find(rules.own_names, name) != rules.own_names.end();
}

bool drop_own(std::vector<Mx>& records, const HostRules& rules) {
  const auto own = std::ranges::find_if(records, [&](const Mx& mx) { return own_name(rules, mx.exchange); });
  if (own == records.end()) return false;
  const std::uint16_t preference = own->preference;
  std::erase_if(records, [&](const Mx& mx) { return mx.preference >= preference; });
  return true;
}

Screened screen(std::vector<Host> hosts, const HostRules& rules) {
  Screened result;
  const auto own = std::ranges::find_if(hosts, [&](const Host& host) {
    return std::ranges::any_of(host.addresses, [&](const auto& a) { return own_address(rules, a); });
  });
  if (own != hosts.end()) {
    result.loop = true;
    add(result.notes, own->name + " is this relay itself");
    const std::uint16_t preference = own->preference;
    std::erase_if(hosts, [&](const Host& host) { return host.preference >= preference; });
  }
  for (Host& host : hosts) {
    guard(host, rules, result);
    if (!host.addresses.empty()) result.hosts.push_back(std::move(host));
  }
  return result;
}

std::vector<std::string> alternating(const std::vector<std::string>& first,
                                     const std::vector<std::string>& second) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) all.push_back(first[i]);
    if (i < second.size()) all.push_back(second[i]);
  }
  return all;
}

}  // namespace relay::dns
