// Routes: which destination a recipient's domain has. Pure; built from the configuration once, then shared
// read-only. The first rule whose pattern matches counts; without one, mail goes to the domain's MX hosts.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace relay::queue {

struct HostPort {
  std::string host;  // a name or an address literal without brackets
  std::uint16_t port = 25;
};

struct RouteRule {
  std::string pattern;         // "example.com", "*.example.com" (subdomains, not itself) or "*"
  std::optional<HostPort> to;  // not set: MX
  bool tls_required = false;
};

// Where a site's mail goes. Recipients with equal `site` share queue, connections and limits, on one loop.
struct Destination {
  std::string site;    // "mx:example.com", "host:127.0.0.1:2526"; with "/tls" after it if tls_required
  std::string domain;  // for MX look-up
  std::optional<HostPort> fixed;
  bool tls_required = false;
};

class Router {
 public:
  explicit Router(std::vector<RouteRule> rules) : rules_(std::move(rules)) {}
  Destination route(std::string_view domain) const;  // domain in lower case

 private:
  std::vector<RouteRule> rules_;
};

}  // namespace relay::queue
