// SubmissionDesk: mail from those who have a key, on one loop: the key ring says who it is, the guard how
// often he may guess, the intake takes the mail.
#pragma once
#include "mta/base/rng.h"
#include "mta/intake/accept.h"
#include "mta/intake/admission.h"
#include "mta/intake/auth_guard.h"
#include "mta/intake/keys.h"
#include "mta/main/smtp_desk.h"

namespace relay {

// Refuses MAIL while nothing can be stored, so that no content is sent in vain, and offers what intake takes.
class StoragePolicy final : public wire::ServerPolicy {
 public:
  StoragePolicy(intake::Intake& intake, const Admission& admission, const Loop& loop)
      : intake_(intake), admission_(admission), loop_(loop) {}
  bool pressed() const override { return admission_.pressed(); }
  wire::Allowance allowance(const wire::Identity* who, const wire::ServerLimits& limits) override {
    wire::Allowance allowance = ServerPolicy::allowance(who, limits);
    allowance.release = intake_.release(loop_.wall());
    return allowance;
  }
  std::optional<wire::Reply> on_mail(const wire::Identity*, const wire::MailFrom&) override {
    auto refusal = intake_.turn_away();
    if (!refusal) return std::nullopt;
    return std::move(refusal->reply);
  }

 private:
  intake::Intake& intake_;
  const Admission& admission_;
  const Loop& loop_;
};

class SubmissionDesk final : public SmtpDesk {
 public:
  // All outlive it.
  struct Ports {
    Loop& loop;
    Rng& rng;
    intake::KeyRing& keys;
    intake::Intake& intake;
    const Admission& admission;
    intake::AuthGuard& guard;
  };
  explicit SubmissionDesk(Ports ports) : ports_(ports), policy_(ports.intake, ports.admission, ports.loop) {}
  wire::ServerPolicy& policy() override { return policy_; }
  void authenticate(const wire::AuthRequest& request, const wire::PeerInfo& peer,
                    Authenticated done) override;
  void take(wire::SubmitRequest request, Taken done) override;

 private:
  Ports ports_;
  StoragePolicy policy_;
};

}  // namespace relay
