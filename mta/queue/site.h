// Site: where mail of one destination waits to be sent, what is known of its hosts, and how much it is given.
// Plain data of the scheduler.
#pragma once
#include <string>
#include <vector>

#include "mta/dns/resolver.h"
#include "mta/net/dialer.h"
#include "mta/queue/ready_mail.h"
#include "mta/queue/route.h"
#include "mta/queue/shaper.h"

namespace relay::queue {

// What a site's mail may be sent to, in the order to be tried.
class Targets {
 public:
  void set(std::vector<net::Target> targets, Instant fresh_until);
  bool fresh(Instant now) const { return !targets_.empty() && now < fresh_until_; }
  bool empty() const { return targets_.empty(); }
  void failed(const net::Target& target, Instant rest_until);
  // Those at rest last; at most `at_most`.
  std::vector<net::Target> plan(Instant now, std::uint32_t at_most) const;

 private:
  struct Rest {
    std::string address;
    std::uint16_t port;
    Instant until;
  };
  bool resting(const net::Target& target, Instant now) const;
  std::vector<net::Target> targets_;
  Instant fresh_until_;
  std::vector<Rest> rests_;
};

// The target an address literal names ("192.0.2.1", "2001:db8::1", or RFC 5321 4.1.3's "[192.0.2.1]" and
// "[IPv6:2001:db8::1]"); nullopt for a name.
std::optional<net::Target> literal_target(const std::string& host, std::uint16_t port);
std::vector<net::Target> targets_of(const std::vector<dns::Host>& hosts, std::uint16_t port);
bool ipv6(const net::Target& target);
// Takes out the targets of families that cannot be reached, unless that leaves none.
void leave_out(std::vector<net::Target>& targets, bool ipv4_too, bool ipv6_too);

struct Site {
  Destination destination;
  std::uint32_t domains = 0;  // that have open recipients and lead here
  ReadyMail ready;
  Targets targets;
  std::vector<Slot> connections;
  std::uint32_t limit = 1;            // connections at once, as learnt
  std::uint32_t credit = 0;           // transactions that went well since the limit last changed
  Shaper shaper;                      // how fast it is sent to, as learnt
  std::uint32_t failures = 0;         // in a row; above zero one connection at a time probes
  WallTime oldest = WallTime::max();  // no ready recipient was accepted before
  Slot expiring = no_slot;            // the ready recipient to be looked at next for its expiry
  std::vector<Slot> expiring_next;    // tenants whose ready mail is looked at after that lane's end
  std::string no_mail;                // what all ready recipients are being refused with, slice by slice
  bool looking_up = false;
  // Who stands in line for it, the loop's limit of connections being reached; few at once, mostly one.
  std::vector<Slot> in_line;
  bool in_reserved_line = false;
  bool dirty = false;  // in the list of sites to be looked at before this turn ends
};

}  // namespace relay::queue
