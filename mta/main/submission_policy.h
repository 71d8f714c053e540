// SubmissionPolicy: what a client of the submission port is told before it sends content in vain. It decides
// nothing that Intake does not: all of it is asked there, as accept() asks it again of the whole message.
//
// One a loop, on its thread. The ports outlive it.
#pragma once
#include <optional>

#include "mta/base/loop.h"
#include "mta/intake/accept.h"
#include "mta/intake/admission.h"
#include "mta/wire/server_dialog.h"

namespace relay {

class SubmissionPolicy final : public wire::ServerPolicy {
 public:
  SubmissionPolicy(intake::Intake& intake, Admission& admission, const Loop& loop)
      : intake_(intake), admission_(admission), loop_(loop) {}
  bool pressed() const override { return admission_.pressed(); }
  ByteBudget* content() const override { return &admission_.content(); }
  wire::Allowance allowance(const wire::Identity* who, const wire::ServerLimits& limits) override;
  std::optional<wire::Reply> on_mail(const wire::Identity* who, const wire::MailFrom& mail) override;
  // After a key has been shown: whether it may be used from there.
  std::optional<wire::Reply> on_auth(const wire::Identity& who, const wire::PeerInfo& peer);

 private:
  intake::Intake& intake_;
  Admission& admission_;
  const Loop& loop_;
};

}  // namespace relay
