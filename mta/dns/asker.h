// Asker: asks the DNS, validated where that is wanted and possible. Owns libunbound's contexts.
//
// With Validation::automatic it first tries out whether the root's keys can be validated through the servers
// there are, for many forwarders strip what DNSSEC needs, and everything would be bogus behind them. Until
// that is known, for at most UnboundSettings::probe_timeout, questions wait. If it is not possible, answers
// are not validated, the log says why, and it is tried again every probe_pause; once it was possible it stays
// so. Trust anchors given one by one count in any case but Validation::no.
//
// All on the loop's thread. Each question is answered once, later, unless the asker is destroyed before.
#pragma once
#include <functional>
#include <memory>

#include "mta/dns/records.h"
#include "mta/dns/resolver.h"

namespace relay::dns {

class Asker {
 public:
  using Answered = std::function<void(std::uint64_t id, const Answer& answer)>;  // may destroy the asker
  static Result<std::unique_ptr<Asker>> open(const UnboundSettings& settings, Loop& loop, Answered answered);
  ~Asker();
  Asker(const Asker&) = delete;
  Asker& operator=(const Asker&) = delete;

  void ask(std::uint64_t id, Question question);  // each id once
  bool validated() const;                         // as far as is known

 private:
  struct Impl;
  explicit Asker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace relay::dns
