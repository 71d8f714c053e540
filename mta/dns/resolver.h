// Resolver: where a domain's mail goes, as a port. UnboundResolver (libunbound, in process, cached)
// implements it; simulation scripts it. Results come later on the caller's loop, never inside the call. One
// object a loop.
//
// A domain may also be an address literal of RFC 5321 4.1.3 ("[192.0.2.1]"); a host name may be a bare
// address. Neither asks the DNS. The hosts file counts for addresses() alone: whether a domain takes mail,
// and where, only the DNS says. The reserved name "localhost" is answered in process (RFC 6761 6.3);
// "invalid" and "onion" do not exist. "test" is asked for like any other. Names are in A-labels.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mta/base/address_guard.h"
#include "mta/base/loop.h"
#include "mta/base/result.h"
#include "mta/dns/records.h"

namespace relay::dns {

struct Host {
  std::string name;
  std::uint16_t preference = 0;
  std::vector<std::string> addresses;  // textual, in the order to be tried; at least one
  bool secure = false;                 // DNSSEC has validated the addresses, aliases included
  // The names under which its TLSA records may stand, the first that has any counts (RFC 7672 2.2.3). Empty:
  // it has none that could be believed.
  std::vector<std::string> tlsa_bases{};
};

struct MailHosts {
  enum class Status {
    ok,         // hosts, by preference, equals in random order (RFC 5321 5.1)
    null_mx,    // RFC 7505
    no_domain,  // NXDOMAIN, or neither MX nor address, or MX records of which none leads to an address
    loop,       // no host is preferred to this relay, which is one of them itself (RFC 5321 5.1)
    refused,    // every host has only addresses that mail is not sent to (HostRules)
    temporary,  // SERVFAIL, time-out, bogus
  } status = Status::temporary;
  std::vector<Host> hosts;  // those without any address are left out and named in detail
  std::string detail;       // for the log and for events
  bool secure = false;      // DNSSEC has validated the MX records, or that there are none: DANE is possible
  bool bogus = false;       // temporary, and it was DNSSEC that said no
};

// What a host promises of its certificates.
struct TlsaRecords {
  Answer::Status status = Answer::Status::failed;
  bool secure = false, bogus = false;  // as in Answer; without `secure` the records mean nothing
  std::vector<Tlsa> records;
  std::size_t unusable = 0;  // further ones, which bind to TLS though they promise nothing (RFC 7672 2.2)
  std::string detail;        // of failed
};

struct Texts {
  Answer::Status status = Answer::Status::failed;
  bool secure = false, bogus = false;
  std::vector<std::string> texts;  // each TXT record's strings as one
  std::string detail;
};

class Resolver {
 public:
  template <class T>
  using Done = std::move_only_function<void(T)>;
  virtual ~Resolver() = default;
  virtual void mail_hosts(const std::string& domain, Done<MailHosts> done) = 0;
  // Addresses of one host name, for routes to a named host: only ok, no_domain and temporary occur, one Host
  // comes back, and HostRules do not count, as an administrator has chosen the host.
  virtual void addresses(const std::string& name, Done<MailHosts> done) = 0;
  // Of _PORT._tcp.BASE, where BASE is one of Host::tlsa_bases.
  virtual void tlsa(const std::string& base, std::uint16_t port, Done<TlsaRecords> done) = 0;
  virtual void txt(const std::string& name, Done<Texts> done) = 0;
  // Whether the domain says by a null MX that it takes no mail; false if that cannot be found out.
  virtual void null_mx(const std::string& domain, Done<bool> done) = 0;
};

struct LookupLimits {
  std::size_t hosts = 10;  // MX hosts whose addresses are looked up: a sender tries no more of them anyway
  std::size_t addresses = 12;  // of one host and family: as many as round-robin names have in practice
};

// What a domain's records may make this relay do, and in what order.
struct HostRules {
  AddressGuard guard;
  // This relay as an MX record may name it. Hosts no more preferred than itself are not tried (RFC 5321 5.1);
  // own addresses that the guard allows expressly do not count.
  std::vector<std::string> own_names;  // lower case
  std::vector<std::string> own_addresses;
  bool ipv6_first = true;  // a host's addresses alternate between the families, beginning with this one
};

// A part of the DNS with servers of its own.
struct ZoneServers {
  std::string zone;
  std::vector<std::string> servers;  // as UnboundSettings::servers
  bool stub = false;                 // they are authoritative for it, not resolvers
};

enum class Validation {
  automatic,  // if the root's keys can be validated when the process starts, or later
  yes,
  no,
};

struct UnboundSettings {
  std::vector<std::string> servers;  // forwarders "ADDRESS" or "ADDRESS@PORT"; empty: /etc/resolv.conf's
  std::vector<ZoneServers> zones;
  Duration timeout = std::chrono::seconds(20);  // a whole look-up, before it counts as temporary
  LookupLimits limits;
  HostRules rules;
  // Validated answers that fail are temporary. Behind a forwarder that strips DNSSEC all of them would, so
  // that `automatic` tries it out first.
  Validation validation = Validation::automatic;
  // DNSKEY or DS records, of the root as a rule. Debian's dns-root-data keeps this one up to date.
  std::string trust_anchor_file = "/usr/share/dns/root.key";
  std::vector<std::string> trust_anchors;   // further ones as text: "example.com. DS 1 13 2 ABCD..."
  std::vector<std::string> insecure_zones;  // not validated, whatever the zones above them say
  // How long look-ups wait for `automatic` to find out at the start, and then how often it tries again while
  // nothing is validated: a forwarder that learns DNSSEC is rare.
  Duration probe_timeout = std::chrono::seconds(5);
  Duration probe_pause = std::chrono::minutes(10);
  bool announce = true;  // says in the log whether answers are validated; one of a process's resolvers does
  std::string resolv_conf = "/etc/resolv.conf";  // without servers there: resolved from the root servers
  std::string hosts_file = "/etc/hosts";         // empty: none; read once
  // Records; whole answers have half as much beside them. relayd divides it among its loops.
  std::uint64_t cache_bytes = 64u << 20;
};

// Makes a resolver whose answers are posted to `loop`. It has two threads of its own: libunbound's, which
// asks, and one that takes its answers. Fails with Errc::invalid if a server or a trust anchor cannot be
// used; a trust anchor file that cannot be read is none with `automatic`. Destroyed on the loop's thread;
// answers to look-ups still under way are dropped then.
Result<std::unique_ptr<Resolver>> make_unbound(const UnboundSettings& settings, Loop& loop,
                                               std::uint64_t seed);

}  // namespace relay::dns
