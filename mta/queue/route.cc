#include "mta/queue/route.h"

#include <fmt/format.h>

#include <algorithm>

namespace relay::queue {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Patterns are written by people: in any case.
bool same(std::string_view pattern, std::string_view domain) {
  return std::ranges::equal(pattern, domain, {}, lower, lower);
}

bool matches(std::string_view pattern, std::string_view domain) {
  if (pattern == "*") return true;
  if (!pattern.starts_with("*.")) return same(pattern, domain);
  const std::string_view suffix = pattern.substr(1);  // ".example.com"
  return domain.size() > suffix.size() && same(suffix, domain.substr(domain.size() - suffix.size()));
}

std::string site_of(const Destination& to) {
  std::string site;
  if (!to.fixed) {
    site = fmt::format("mx:{}", to.domain);
  } else {
    const bool ipv6 = to.fixed->host.find(':') != std::string::npos;
    site = fmt::format(fmt::runtime(ipv6 ? "host:[{}]:{}" : "host:{}:{}"), to.fixed->host, to.fixed->port);
  }
  // Connections of one site are shared, so mail that needs TLS must not share with mail that does not.
  if (to.tls_required) site += "/tls";
  return site;
}

}  // namespace

Destination Router::route(std::string_view domain) const {
  Destination to;
  to.domain = domain;
  const auto rule =
      std::ranges::find_if(rules_, [&](const RouteRule& r) { return matches(r.pattern, domain); });
  if (rule != rules_.end()) {
    to.fixed = rule->to;
    to.tls_required = rule->tls_required;
  }
  to.site = site_of(to);
  return to;
}

}  // namespace relay::queue
