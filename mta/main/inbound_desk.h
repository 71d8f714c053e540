// InboundDesk: bounces and the like from anybody, on one loop; see intake/inbound.h.
#pragma once
#include "mta/intake/admission.h"
#include "mta/intake/inbound.h"
#include "mta/main/smtp_desk.h"

namespace relay {

class InboundDesk final : public SmtpDesk {
 public:
  // Both outlive it.
  InboundDesk(intake::Inbound& inbound, Admission& admission)
      : inbound_(inbound), policy_(inbound, admission) {}
  wire::ServerPolicy& policy() override { return policy_; }
  // Never asked for: it is not offered there.
  void authenticate(const wire::AuthRequest&, const wire::PeerInfo&, Authenticated done) override {
    done({});
  }
  std::uint32_t sessions(const wire::Identity&) override { return 0; }
  void take(wire::SubmitRequest request, Taken done) override { done(inbound_.take(request)); }

 private:
  intake::Inbound& inbound_;
  intake::InboundPolicy policy_;
};

}  // namespace relay
