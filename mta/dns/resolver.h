// Resolver: where a domain's mail goes, as a port. UnboundResolver (libunbound, in process, cached)
// implements it; simulation scripts it. Results come later on the caller's loop, never inside the call. One
// object a loop.
//
// A domain may also be an address literal of RFC 5321 4.1.3 ("[192.0.2.1]"); a host name may be a bare
// address. Neither asks the DNS. The hosts file counts for addresses() alone: whether a domain takes mail,
// and where, only the DNS says. The reserved name "localhost" is answered in process (RFC 6761 6.3);
// "invalid" and "onion" do not exist. "test" is asked for like any other.
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
  std::vector<std::string> addresses;  // textual, IPv6 before IPv4; at least one
};

struct MailHosts {
  enum class Status {
    ok,         // hosts, by preference, equals in random order (RFC 5321 5.1)
    null_mx,    // RFC 7505
    no_domain,  // NXDOMAIN, or neither MX nor address, or MX records of which none leads to an address
    temporary,  // SERVFAIL, time-out, bogus
  } status = Status::temporary;
  std::vector<Host> hosts;  // those without any address are left out and named in detail
  std::string detail;       // for the log and for events
};

class Resolver {
 public:
  virtual ~Resolver() = default;
  virtual void mail_hosts(const std::string& domain, std::move_only_function<void(MailHosts)> done) = 0;
  // Addresses of one host name, for routes to a named host; status null_mx never occurs, one Host comes back.
  virtual void addresses(const std::string& name, std::move_only_function<void(MailHosts)> done) = 0;
};

struct LookupLimits {
  std::size_t hosts = 10;  // MX hosts whose addresses are looked up: a sender tries no more of them anyway
  std::size_t addresses = 12;  // of one host and family: as many as round-robin names have in practice
};

struct UnboundSettings {
  std::vector<std::string> servers;  // forwarders "ADDRESS" or "ADDRESS@PORT"; empty: /etc/resolv.conf's
  Duration timeout = std::chrono::seconds(20);  // a whole look-up, before it counts as temporary
  LookupLimits limits;
  // File of DNSKEY or DS records of the root (Debian: /usr/share/dns/root.key). Set: answers that fail
  // validation are temporary. Empty: nothing is validated, because behind a forwarder that strips DNSSEC
  // everything would be bogus.
  std::string trust_anchor_file;
  std::string resolv_conf = "/etc/resolv.conf";  // without servers there: resolved from the root servers
  std::string hosts_file = "/etc/hosts";         // empty: none; read once
  std::uint64_t cache_bytes = 16u << 20;         // records; whole answers have half as much beside them
};

// Makes a resolver whose answers are posted to `loop`. It has two threads of its own: libunbound's, which
// asks, and one that takes its answers. Fails with Errc::invalid if a server or the trust anchor cannot be
// used. Destroyed on the loop's thread; answers to look-ups still under way are dropped then.
Result<std::unique_ptr<Resolver>> make_unbound(const UnboundSettings& settings, Loop& loop,
                                               std::uint64_t seed);

}  // namespace relay::dns
