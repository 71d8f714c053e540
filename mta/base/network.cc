#include "mta/base/network.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace relay {
namespace {

using Address = std::array<std::uint8_t, 16>;
constexpr unsigned mapped_bits = 96;

std::optional<Address> address_of(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string whole(text);
  Address bytes{};
  if (::inet_pton(AF_INET6, whole.c_str(), bytes.data()) == 1) return bytes;
  bytes[10] = bytes[11] = 0xff;
  if (::inet_pton(AF_INET, whole.c_str(), bytes.data() + mapped_bits / 8) == 1) return bytes;
  return std::nullopt;
}

void clear_behind(Address& address, unsigned bits) {
  for (unsigned i = 0; i < address.size(); ++i) {
    const unsigned kept = std::clamp(bits, 8 * i, 8 * i + 8) - 8 * i;
    address[i] = static_cast<std::uint8_t>(address[i] & (0xff00u >> kept));
  }
}

}  // namespace

std::optional<Network> Network::parse(std::string_view text) {
  Network network;
  const std::size_t slash = text.find('/');
  const auto address = address_of(text.substr(0, slash));
  if (!address) return std::nullopt;
  network.prefix_ = *address;
  if (slash == std::string_view::npos) return network;
  const bool v4 = text.substr(0, slash).find(':') == std::string_view::npos;
  const std::string_view number = text.substr(slash + 1);
  unsigned bits = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), bits);
  if (error != std::errc{} || end != number.data() + number.size() || bits > (v4 ? 32u : 128u))
    return std::nullopt;
  network.bits_ = v4 ? mapped_bits + bits : bits;
  clear_behind(network.prefix_, network.bits_);
  if (network.prefix_ != *address) return std::nullopt;
  return network;
}

bool Network::loopback(std::string_view address) {
  return parse("127.0.0.0/8")->contains(address) || parse("::1")->contains(address);
}

bool Network::contains(std::string_view address) const {
  auto bytes = address_of(address);
  if (!bytes) return false;
  clear_behind(*bytes, bits_);
  return *bytes == prefix_;
}

std::string neighbourhood(std::string_view address) {
  const auto bytes = address_of(address);
  if (!bytes) return {};
  constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const bool v4 = std::ranges::equal(mapped, std::span(*bytes).first(mapped.size()));
  return v4 ? std::string(bytes->begin() + mapped.size(), bytes->end())
            : std::string(bytes->begin(), bytes->begin() + 8);
}

std::string neighbourhood_text(std::string_view address) {
  std::string bytes = neighbourhood(address);
  if (bytes.empty()) return std::string(address);
  const bool v4 = bytes.size() == 4;
  bytes.resize(16);  // what is behind the /64 is zero
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(v4 ? AF_INET : AF_INET6, bytes.data(), text.data(), text.size());
  return std::string(text.data()) + (v4 ? "" : "/64");
}

bool within(std::span<const std::string> ranges, std::string_view address) {
  const auto one = [&](std::string_view range) {
    if (range == "loopback") return Network::loopback(address);
    const auto network = Network::parse(range);
    return network && network->contains(address);
  };
  return std::ranges::any_of(ranges, one);
}

}  // namespace relay
