// Site: where mail of one destination waits to be sent, what is known of its hosts, and how much it is given.
// Plain data of the scheduler.
#pragma once
#include <string>
#include <vector>

#include "mta/dns/resolver.h"
#include "mta/net/dialer.h"
#include "mta/queue/open_recipients.h"
#include "mta/queue/route.h"

namespace relay::queue {

// The recipients that may be sent now, first come first served; linked through the recipients themselves.
class ReadyList {
 public:
  void push_back(OpenRecipients& all, Slot recipient);
  void unlink(OpenRecipients& all, Slot recipient);
  Slot first() const { return first_; }
  std::uint32_t size() const { return size_; }
  // How many transactions of at most `per_transaction` recipients it holds, counted up to `at_most`.
  std::uint32_t transactions(OpenRecipients& all, std::uint32_t per_transaction, std::uint32_t at_most) const;

 private:
  Slot first_ = no_slot, last_ = no_slot;
  std::uint32_t size_ = 0;
};

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

struct Site {
  Destination destination;
  std::uint32_t domains = 0;  // that have open recipients and lead here
  ReadyList ready;
  Targets targets;
  std::vector<Slot> connections;
  std::uint32_t limit = 1;            // connections at once, as learnt
  std::uint32_t credit = 0;           // transactions that went well since the limit last changed
  std::uint32_t failures = 0;         // in a row; above zero one connection at a time probes
  WallTime oldest = WallTime::max();  // no ready recipient was accepted before
  Slot expiring = no_slot;            // the ready recipient to be looked at next for its expiry
  std::string no_mail;                // what all ready recipients are being refused with, slice by slice
  bool looking_up = false;
  bool in_line = false;  // for a connection, the loop's limit being reached
  bool dirty = false;    // in the list of sites to be looked at before this turn ends
};

}  // namespace relay::queue
