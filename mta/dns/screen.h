// Screen: what of the hosts that a domain names is used, and in what order. Pure.
#pragma once
#include <string>
#include <vector>

#include "mta/dns/resolver.h"

namespace relay::dns {

// Whether this is one of the names of the relay itself.
bool own_name(const HostRules& rules, std::string_view name);

// Takes out, of records in the order of preference, this relay itself and all that are not preferred to it
// (RFC 5321 5.1: else two relays that name each other would send a message to and fro). True if there was
// any.
bool drop_own(std::vector<Mx>& records, const HostRules& rules);

struct Screened {
  std::vector<Host> hosts;
  bool loop = false;     // an address was this relay's own, so that it and what is not preferred to it went
  bool refused = false;  // an address was none that mail is sent to
  std::string notes;     // what was taken out, as a sentence
};
// The same by address, and every host without those that the guard refuses.
Screened screen(std::vector<Host> hosts, const HostRules& rules);

// One after the other, so that a family without a way out costs every second attempt and not all of them.
std::vector<std::string> alternating(const std::vector<std::string>& first,
                                     const std::vector<std::string>& second);

}  // namespace relay::dns
