// SubmissionDesk: mail from those who have a key, on one loop: the key ring says who it is, the guard how
// often he may guess, the intake takes the mail.
#pragma once
#include "mta/base/rng.h"
#include "mta/intake/accept.h"
#include "mta/intake/admission.h"
#include "mta/intake/auth_guard.h"
#include "mta/intake/keys.h"
#include "mta/main/smtp_desk.h"
#include "mta/main/submission_policy.h"

namespace relay {

class SubmissionDesk final : public SmtpDesk {
 public:
  // All outlive it.
  struct Ports {
    Loop& loop;
    Rng& rng;
    intake::KeyRing& keys;
    intake::Intake& intake;
    Admission& admission;
    intake::AuthGuard& guard;
  };
  explicit SubmissionDesk(Ports ports) : ports_(ports), policy_(ports.intake, ports.admission, ports.loop) {}
  wire::ServerPolicy& policy() override { return policy_; }
  void authenticate(const wire::AuthRequest& request, const wire::PeerInfo& peer,
                    Authenticated done) override;
  std::uint32_t sessions(const wire::Identity& who) override;
  void take(wire::SubmitRequest request, Taken done) override;

 private:
  Ports ports_;
  SubmissionPolicy policy_;
};

}  // namespace relay
