// Lookup: one question of a Resolver as a pure machine: which records to ask for next, and what the answers
// come to. Its owner asks what start() and on_answer() return, in parallel, and brings each answer back.
//
// MX first; without MX records the domain itself is the host (RFC 5321 5.1, implicit MX); then AAAA and A of
// each host. At a time-out the owner takes result() as it stands: hosts found by then are used.
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
  Lookup(Kind kind, std::string name, LookupLimits limits);

  std::vector<Question> start();  // empty if the name cannot be asked for: finished at once
  std::vector<Question> on_answer(const Question& question, const Answer& answer, Rng& rng);
  bool finished() const { return open_ == 0; }
  MailHosts result(bool timed_out = false) const;

 private:
  struct Candidate {
    Host host;
    std::vector<std::string> v6{}, v4{};
    bool failed = false;
    bool missing = false;  // NXDOMAIN
  };
  std::vector<Question> ask_addresses();
  void on_mx(const Answer& answer, Rng& rng);
  void on_address(const Question& question, const Answer& answer);
  void note(const std::string& what);
  MailHosts without_addresses(bool temporary) const;

  Kind kind_;
  std::string name_;
  LookupLimits limits_;
  std::vector<Candidate> candidates_;
  std::size_t open_ = 0;  // questions without answer
  bool explicit_mx_ = false;
  bool decided_ = false;  // status_ is final, whatever addresses say
  MailHosts::Status status_ = MailHosts::Status::temporary;
  std::string notes_;
};

}  // namespace relay::dns
