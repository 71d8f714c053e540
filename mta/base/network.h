// Network: a range of IP addresses, as settings name it. Pure. IPv4 and the same address mapped into IPv6
// (RFC 4291 2.5.5.2) are one.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace relay {

class Network {
 public:
  // "192.0.2.1", "192.0.2.0/24", "2001:db8::/32"; bits behind the prefix must be zero.
  static std::optional<Network> parse(std::string_view text);
  bool contains(std::string_view address) const;   // false for what is no address
  static bool loopback(std::string_view address);  // 127.0.0.0/8 and ::1

 private:
  std::array<std::uint8_t, 16> prefix_{};
  unsigned bits_ = 128;
};

// What is counted as one client: an IPv4 address, or the /64 of an IPv6 address, of which one customer has as
// many addresses as he likes. As bytes; empty for what is no address.
std::string neighbourhood(std::string_view address);
// The same in words: "192.0.2.1", "2001:db8::/64"; what is no address as it is.
std::string neighbourhood_text(std::string_view address);

// Whether an address is in one of the ranges, each as Network::parse takes it, or "loopback".
bool within(std::span<const std::string> ranges, std::string_view address);

}  // namespace relay
