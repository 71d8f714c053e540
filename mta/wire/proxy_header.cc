#include "mta/wire/proxy_header.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

namespace relay::wire {
namespace {

using Header = Result<std::optional<ProxyHeader>>;

constexpr std::string_view line_begin = "PROXY ";
constexpr std::string_view signature{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::size_t fixed_bytes = 16;  // signature, version and command, family, length

std::unexpected<Error> malformed(const char* why) { return fail(Errc::invalid, why); }

bool begins_alike(std::string_view bytes, std::string_view begin) {
  const std::size_t n = std::min(bytes.size(), begin.size());
  return bytes.substr(0, n) == begin.substr(0, n);
}

std::string text_of(int family, const void* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(static_cast<const in6_addr*>(address)))
    return text_of(AF_INET, static_cast<const std::uint8_t*>(address) + 12);
  ::inet_ntop(family, address, text.data(), text.size());
  return text.data();
}

// Version 1.

// What inet_pton takes is what the protocol has: no leading zeros in IPv4, one "::" at most in IPv6. HAProxy
// writes an IPv4 address beside an IPv6 one as ::ffff:192.0.2.1.
std::optional<std::string> parse_address(int family, std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  in6_addr address{};
  if (::inet_pton(family, std::string(text).c_str(), &address) != 1) return std::nullopt;
  return text_of(family, &address);
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  if (text.empty() || (text.front() == '0' && text.size() > 1)) return std::nullopt;
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

// Up to the next blank, which goes too.
std::string_view take_word(std::string_view& rest) {
  const std::size_t blank = std::min(rest.find(' '), rest.size());
  const std::string_view word = rest.substr(0, blank);
  rest.remove_prefix(std::min(blank + 1, rest.size()));
  return word;
}

// `line` without CRLF.
Header parse_line(std::string_view line, std::size_t bytes) {
  std::string_view rest = line.substr(line_begin.size());
  const std::string_view protocol = take_word(rest);
  if (protocol == "UNKNOWN") return ProxyHeader{bytes};  // section 2.1: the rest of the line is ignored
  if (protocol != "TCP4" && protocol != "TCP6") return malformed("the protocol is not TCP4, TCP6 or UNKNOWN");
  if (std::ranges::count(line, ' ') != 5)
    return malformed("the line does not have two addresses and two ports");
  const int family = protocol == "TCP4" ? AF_INET : AF_INET6;
  const auto source = parse_address(family, take_word(rest));
  const auto destination = parse_address(family, take_word(rest));
  if (!source || !destination) return malformed("an address is not one of its protocol");
  const auto from_port = parse_port(take_word(rest));
  const auto to_port = parse_port(rest);
  if (!from_port || !to_port) return malformed("a port is no number from 0 to 65535");
  return ProxyHeader{bytes, ProxyHeader::Addresses{{*source, *from_port}, {*destination, *to_port}}};
}

Header parse_version_1(std::string_view bytes) {
  const std::string_view begin = bytes.substr(0, proxy_line_bytes);
  const std::size_t end = begin.find('\r');
  // Before all else, so that the same is said of a line whether its end has come or not.
  if (begin.find('\n') < end) return malformed("the line does not end in CRLF");
  if (end != std::string_view::npos && end + 1 < begin.size()) {
    if (begin[end + 1] != '\n') return malformed("a CR is not followed by LF");
    return parse_line(begin.substr(0, end), end + 2);
  }
  if (begin.size() == proxy_line_bytes) return malformed("the line is longer than 107 bytes");
  return std::nullopt;
}

// Version 2.

std::uint8_t octet(std::string_view bytes, std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); }

std::uint16_t number16(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(octet(bytes, at) << 8 | octet(bytes, at + 1));
}

std::uint32_t number32(std::string_view bytes, std::size_t at) {
  return std::uint32_t{number16(bytes, at)} << 16 | number16(bytes, at + 2);
}

// RFC 9260 appendix A, reflected, as in the protocol's section 2.2.4; bit by bit, as headers are short.
std::uint32_t crc32c(std::uint32_t crc, std::string_view bytes) {
  for (const char c : bytes) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
  }
  return crc;
}

// The sum of the whole header, its own four bytes as zeros.
bool sum_holds(std::string_view header, std::size_t sum_at) {
  std::uint32_t crc = crc32c(0xffffffffu, header.substr(0, sum_at));
  crc = crc32c(crc, std::string_view("\0\0\0\0", 4));
  return ~crc32c(crc, header.substr(sum_at + 4)) == number32(header, sum_at);
}

// Type, length and value each; nothing is needed of them but the checksum, and that they fill the header.
Result<void> check_fields(std::string_view header, std::size_t at) {
  constexpr std::uint8_t crc32c_type = 0x03;
  bool summed = false;
  while (at < header.size()) {
    if (header.size() - at < 3) return malformed("a field is cut off");
    const std::uint8_t type = octet(header, at);
    const std::size_t length = number16(header, at + 1);
    at += 3;
    if (header.size() - at < length) return malformed("a field is longer than what is left of the header");
    if (type == crc32c_type) {
      if (length != 4 || std::exchange(summed, true))
        return malformed("the checksum is not four bytes, once");
      if (!sum_holds(header, at)) return malformed("the checksum does not hold");
    }
    at += length;
  }
  return {};
}

struct Family {
  std::uint8_t code;
  int socket_family;  // AF_UNSPEC: its addresses are not used
  std::size_t address_bytes, addresses_bytes;
};
// Section 2.2; of transports only streams, as this is one.
constexpr std::array families{
    Family{0x00, AF_UNSPEC, 0, 0},   // UNSPEC
    Family{0x11, AF_INET, 4, 12},    // TCP over IPv4
    Family{0x21, AF_INET6, 16, 36},  // TCP over IPv6
    Family{0x31, AF_UNSPEC, 0, 216}  // Unix stream
};

ProxyHeader::Addresses read_addresses(const Family& family, std::string_view bytes) {
  const auto address = [&](std::size_t at) {
    in6_addr raw{};
    std::memcpy(&raw, bytes.data() + at, family.address_bytes);
    return text_of(family.socket_family, &raw);
  };
  const std::size_t ports = 2 * family.address_bytes;
  return {{address(0), number16(bytes, ports)}, {address(family.address_bytes), number16(bytes, ports + 2)}};
}

Header parse_version_2(std::string_view bytes) {
  if (bytes.size() > 12 && octet(bytes, 12) >> 4 != 2) return malformed("the version is not 2");
  const std::uint8_t command = bytes.size() > 12 ? octet(bytes, 12) & 0x0f : 0;
  if (command > 1) return malformed("the command is neither LOCAL nor PROXY");
  if (bytes.size() < fixed_bytes) return std::nullopt;
  const std::size_t size = fixed_bytes + number16(bytes, 14);
  if (size > proxy_header_bytes) return malformed("the header is longer than 4096 bytes");
  const auto family = std::ranges::find(families, octet(bytes, 13), &Family::code);
  const bool local = command == 0;  // all behind it is to be ignored then, the family among it
  if (!local && family == families.end()) return malformed("the family is not one of streams");
  if (!local && size < fixed_bytes + family->addresses_bytes)
    return malformed("the header has no room for its addresses");
  if (bytes.size() < size) return std::nullopt;
  ProxyHeader header{size};
  if (local) return header;
  if (auto good = check_fields(bytes.substr(0, size), fixed_bytes + family->addresses_bytes); !good)
    return std::unexpected(good.error());
  if (family->socket_family != AF_UNSPEC)
    header.addresses = read_addresses(*family, bytes.substr(fixed_bytes));
  return header;
}

}  // namespace

Result<std::optional<ProxyHeader>> parse_proxy_header(std::string_view bytes) {
  if (bytes.empty()) return std::nullopt;
  if (begins_alike(bytes, signature))
    return bytes.size() < signature.size() ? Header(std::nullopt) : parse_version_2(bytes);
  if (begins_alike(bytes, line_begin))
    return bytes.size() < line_begin.size() ? Header(std::nullopt) : parse_version_1(bytes);
  return malformed("it does not begin as a PROXY header does");
}

}  // namespace relay::wire
