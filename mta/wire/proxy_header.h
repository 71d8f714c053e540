// ProxyHeader: what a load balancer says, before all else on a connection, of the client behind it: the PROXY
// protocol, versions 1 (a line of text) and 2 (binary), as HAProxy's proxy-protocol.txt defines it. Pure.
//
// The caller gathers bytes and asks again as more come; no more than proxy_header_bytes are ever asked for.
// Bytes behind the header are the client's. Addresses come out as wire::PeerInfo has them elsewhere: an IPv4
// address mapped into IPv6 as IPv4. A header that is not exactly as it should be is malformed, and the
// connection must be dropped (section 2): nobody can tell whose it is.
#pragma once
#include <cstddef>
#include <optional>
#include <string_view>

#include "mta/base/result.h"
#include "mta/wire/dialog.h"

namespace relay::wire {

// Section 2.1: the longest line of version 1, with its CRLF.
inline constexpr std::size_t proxy_line_bytes = 107;
// Of a whole header of version 2. Section 2.2 lets the length be up to 64 KiB, and has receivers take 536
// bytes at least; fields with names and certificates' details stay well below this.
inline constexpr std::size_t proxy_header_bytes = 4096;

struct ProxyHeader {
  struct Addresses {
    PeerInfo source;
    PeerInfo destination;
  };
  std::size_t bytes = 0;  // of the header
  // None for LOCAL (the balancer's own, such as a health check), for UNKNOWN and UNSPEC, and for Unix
  // sockets: the connection's own address counts.
  std::optional<Addresses> addresses = std::nullopt;
};

// The header at the beginning of `bytes`; nothing while it is not whole; or what is wrong with it, as soon as
// that can be seen.
Result<std::optional<ProxyHeader>> parse_proxy_header(std::string_view bytes);

}  // namespace relay::wire
