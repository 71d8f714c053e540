// Lookup: where mail goes, as a pure machine: which records to ask for next, and what the answers come to.
// Its owner asks what start() and on_answer() return, in parallel, and brings each answer back.
//
// MX first; without MX records the domain itself is the host (RFC 5321 5.1, implicit MX); then AAAA and A of
// each host; then, where DANE depends on it, whether an alias itself is secure. At a time-out the owner takes
// result() as it stands: hosts found by then are used.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "mta/base/rng.h"
#include "mta/dns/records.h"
#include "mta/dns/resolver.h"

namespace relay::dns {

class Lookup {
 public:
  enum class Kind { mail_hosts, addresses };
  struct Settings {
    LookupLimits limits;
    HostRules rules;
    bool validated = false;  // answers are, where they can be
  };
  Lookup(Kind kind, std::string name, const Settings& settings);  // settings outlive it

  std::vector<Question> start();  // empty if the name cannot be asked for: finished at once
  std::vector<Question> on_answer(const Question& question, const Answer& answer, Rng& rng);
  bool finished() const { return open_ == 0; }
  MailHosts result(bool timed_out = false) const;

 private:
  struct Candidate {
    Host host;
    std::vector<std::string> v6{}, v4{};
    std::size_t open = 0;  // questions about its addresses
    std::string canonical{};
    bool insecure = false;  // some of its addresses
    bool alias_known = false,
         alias_secure = false;  // the name asked for is an alias that DNSSEC has validated
    bool failed = false;
    bool missing = false;  // NXDOMAIN
  };
  std::vector<Question> ask_addresses();
  void on_mx(const Answer& answer, Rng& rng);
  void use(std::vector<Mx> records);
  std::vector<Question> on_address(const Question& question, const Answer& answer, Rng& rng);
  void on_alias(const Question& question, const Answer& answer);
  Candidate& candidate(const std::string& name);
  bool asks_alias(const Candidate& candidate) const;
  Host host_of(const Candidate& candidate) const;
  void failure(const Question& question, const Answer& answer);
  void decide(MailHosts::Status status, const std::string& why);
  void note(const std::string& what);
  MailHosts without_hosts(MailHosts result, bool temporary, bool loop, bool refused) const;

  Kind kind_;
  std::string name_;
  const Settings& settings_;
  std::vector<Candidate> candidates_;
  std::size_t open_ = 0;  // questions without answer
  bool explicit_mx_ = false;
  bool secure_ = false;   // what says which hosts they are
  bool bogus_ = false;    // some answer
  bool loop_ = false;     // the relay's own name was among the hosts
  bool decided_ = false;  // status_ is final, whatever addresses say
  MailHosts::Status status_ = MailHosts::Status::temporary;
  std::string notes_;
};

}  // namespace relay::dns
