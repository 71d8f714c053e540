// Resolver: where a domain's mail goes, as a port. UnboundResolver (libunbound, in process, cached)
// implements it; simulation scripts it. Results come later on the caller's loop, never inside the call. One
// object a loop.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mta/base/loop.h"
#include "mta/base/result.h"

namespace relay::dns {

struct Host {
  std::string name;
  std::uint16_t preference = 0;
  std::vector<std::string> addresses;  // textual, IPv6 and IPv4; may be empty if none resolved
};

struct MailHosts {
  enum class Status {
    ok,         // hosts, by preference, equals in random order (RFC 5321 5.1)
    null_mx,    // RFC 7505
    no_domain,  // NXDOMAIN, or neither MX nor address
    temporary,  // SERVFAIL, time-out, bogus
  } status = Status::temporary;
  std::vector<Host> hosts;
  std::string detail;  // for the log and for events
};

class Resolver {
 public:
  virtual ~Resolver() = default;
  virtual void mail_hosts(const std::string& domain, std::move_only_function<void(MailHosts)> done) = 0;
  // Addresses of one host name, for routes to a named host; status null_mx never occurs, one Host comes back.
  virtual void addresses(const std::string& name, std::move_only_function<void(MailHosts)> done) = 0;
};

struct UnboundSettings {
  std::vector<std::string> servers;  // forwarders "ADDRESS" or "ADDRESS@PORT"; empty: /etc/resolv.conf's
  Duration timeout = std::chrono::seconds(20);  // a whole look-up, before it counts as temporary
};

// Makes a resolver whose answers are posted to `loop`. Answers to look-ups still under way when it is
// destroyed are dropped.
Result<std::unique_ptr<Resolver>> make_unbound(const UnboundSettings& settings, Loop& loop,
                                               std::uint64_t seed);

}  // namespace relay::dns
