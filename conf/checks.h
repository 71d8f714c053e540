// What a single value must look like: names, addresses, route patterns. Pure. Each answers what is wrong, as
// the end of a sentence that begins with the value, or nothing.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "mta/base/result.h"
#include "mta/queue/route.h"

namespace relay::conf {

std::optional<std::string> check_host_name(std::string_view text);  // RFC 1123 2.1, with a letter somewhere
std::optional<std::string> check_domain(std::string_view text);     // a host name in lower case
std::optional<std::string> check_address(std::string_view text);    // an IPv4 or IPv6 address, no brackets
std::optional<std::string> check_route_pattern(std::string_view text);  // "example.com", "*.example.com", "*"
std::optional<std::string> check_address_range(std::string_view text);  // ADDRESS, ADDRESS/BITS or loopback
std::optional<std::string> check_dns_server(std::string_view text);     // ADDRESS or ADDRESS@PORT
// "ZONE DS TAG ALGORITHM TYPE DIGEST" or "ZONE DNSKEY FLAGS 3 ALGORITHM KEY", with or without TTL and IN.
std::optional<std::string> check_trust_anchor(std::string_view text);

// "host:port", "192.0.2.1:25", "[2001:db8::1]:25"; without a port 25.
Result<queue::HostPort> parse_host_port(std::string_view text);

}  // namespace relay::conf
