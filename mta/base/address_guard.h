// AddressGuard: addresses that a name found out there must not lead to. Whoever owns a domain decides what
// its records say, so that without this anybody could make the relay speak to services of this machine and
// of the network around it. Pure and constant.
//
// Refused are loopback, unspecified, private, link-local, shared (CGNAT), documentation, benchmarking,
// multicast and reserved addresses of IPv4 and IPv6, by the registries of RFC 6890, and forms of IPv6 that
// stand for such an IPv4 address: mapped, compatible, NAT64 (RFC 6052, 8215), 6to4 (RFC 3056), Teredo (RFC
// 4380).
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace relay {

// What kind of special address this is ("a loopback address"), or nothing if it is a public one. What is no
// address is special.
std::optional<std::string_view> special_address(std::string_view address);

class AddressGuard {
 public:
  // Ranges as within() of mta/base/network.h takes them: allowed whatever they are.
  explicit AddressGuard(std::vector<std::string> allowed = {}) : allowed_(std::move(allowed)) {}
  std::optional<std::string_view> refuses(std::string_view address) const;  // why, or nothing
  bool allows_expressly(std::string_view address) const;

 private:
  std::vector<std::string> allowed_;
};

}  // namespace relay
