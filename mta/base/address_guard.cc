#include "mta/base/address_guard.h"

#include <arpa/inet.h>

#include <array>
#include <cstdint>

#include "mta/base/network.h"

namespace relay {
namespace {

struct Range {
  std::string_view network;
  std::string_view what;
};

constexpr std::string_view reserved = "a reserved address";
constexpr std::string_view documentation = "an address for documentation";
constexpr std::string_view benchmark = "an address for benchmarks";

// IANA IPv4 Special-Purpose Address Registry (RFC 6890), and multicast (RFC 5771).
constexpr std::array v4_ranges{
    Range{"0.0.0.0/8", "an unspecified address"},
    Range{"10.0.0.0/8", "a private address"},
    Range{"100.64.0.0/10", "a shared address (CGNAT)"},
    Range{"127.0.0.0/8", "a loopback address"},
    Range{"169.254.0.0/16", "a link-local address"},
    Range{"172.16.0.0/12", "a private address"},
    Range{"192.0.0.0/24", reserved},
    Range{"192.0.2.0/24", documentation},
    Range{"192.88.99.0/24", reserved},
    Range{"192.168.0.0/16", "a private address"},
    Range{"198.18.0.0/15", benchmark},
    Range{"198.51.100.0/24", documentation},
    Range{"203.0.113.0/24", documentation},
    Range{"224.0.0.0/4", "a multicast address"},
    Range{"240.0.0.0/4", reserved},
};

// The same for IPv6. The first that matches counts; what is global unicast but in none is public (RFC 4291
// 2.4).
constexpr std::array v6_ranges{
    Range{"::/128", "an unspecified address"},
    Range{"::1/128", "a loopback address"},
    Range{"64:ff9b:1::/48", "a private address"},  // RFC 8215
    Range{"fc00::/7", "a private address"},
    Range{"fe80::/10", "a link-local address"},
    Range{"fec0::/10", "a private address"},  // site-local, RFC 3879
    Range{"ff00::/8", "a multicast address"},
    Range{"2001:2::/48", benchmark},
    Range{"2001:db8::/32", documentation},
    Range{"3fff::/20", documentation},  // RFC 9637
    Range{"2001::/23", reserved},
};

using Bytes = std::array<std::uint8_t, 16>;

template <std::size_t N>
std::optional<std::string_view> first_of(const std::array<Range, N>& ranges, std::string_view address) {
  for (const Range& range : ranges)
    if (Network::parse(range.network)->contains(address)) return range.what;
  return std::nullopt;
}

bool in(std::string_view network, std::string_view address) {
  return Network::parse(network)->contains(address);
}

// The IPv4 address that stands in an IPv6 address from octet `at` on.
std::string embedded(const Bytes& bytes, std::size_t at, std::uint8_t mask = 0) {
  std::array<std::uint8_t, 4> v4{};
  for (std::size_t i = 0; i < v4.size(); ++i) v4[i] = bytes[at + i] ^ mask;
  std::array<char, INET_ADDRSTRLEN> text{};
  ::inet_ntop(AF_INET, v4.data(), text.data(), text.size());
  return text.data();
}

std::optional<std::string_view> special_v4(std::string_view address) { return first_of(v4_ranges, address); }

std::optional<std::string_view> special_v6(std::string_view address, const Bytes& bytes) {
  if (in("::ffff:0:0/96", address)) return special_v4(embedded(bytes, 12));
  if (in("64:ff9b::/96", address)) return special_v4(embedded(bytes, 12));
  if (in("2002::/16", address)) return special_v4(embedded(bytes, 2));
  if (in("2001::/32", address)) {  // RFC 4380 4: the server's, and the client's with each bit turned
    const auto server = special_v4(embedded(bytes, 4));
    return server ? server : special_v4(embedded(bytes, 12, 0xff));
  }
  if (const auto what = first_of(v6_ranges, address)) return what;
  if (!in("2000::/3", address)) return reserved;  // the compatible ones of RFC 4291 2.5.5.1 among them
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> special_address(std::string_view address) {
  if (address.find('\0') != std::string_view::npos) return "no address";
  const std::string text(address);
  Bytes bytes{};
  if (::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return special_v4(text);
  if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return special_v6(text, bytes);
  return "no address";
}

bool AddressGuard::allows_expressly(std::string_view address) const { return within(allowed_, address); }

std::optional<std::string_view> AddressGuard::refuses(std::string_view address) const {
  if (allows_expressly(address)) return std::nullopt;
  return special_address(address);
}

}  // namespace relay
