// SmtpService: submission on one loop. Puts a ServerDialog on every accepted connection and carries its
// requests to the key ring and the intake and their answers back, by session id, so that a session may vanish
// meanwhile.
//
// All on the loop's thread. Ports outlive it; after shut_down() no further connection must be handed to it.
#pragma once
#include <cstdint>
#include <memory>

#include "mta/base/rng.h"
#include "mta/intake/accept.h"
#include "mta/intake/admission.h"
#include "mta/intake/auth_guard.h"
#include "mta/intake/keys.h"
#include "mta/main/reception.h"
#include "mta/main/session_counts.h"
#include "mta/net/session.h"
#include "mta/wire/server_dialog.h"

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

class SmtpService {
 public:
  struct Ports {
    net::UvLoop& loop;
    Rng& rng;
    intake::KeyRing& keys;
    intake::Intake& intake;
    Admission& admission;
    intake::AuthGuard& guard;
  };
  SmtpService(Ports ports, wire::ServerSettings settings, const net::SessionLimits& session_limits);

  // Takes the descriptor; over a limit the client is told 421 and let go.
  void take(int fd, const wire::PeerInfo& peer, const Reception::Way& way);
  // The last descriptor there is: the client is told 421 and let go.
  void turn_away(int fd, const wire::PeerInfo& peer, const Reception::Way& way) {
    reception_.turn_away(fd, peer, way.tls_first, TurnedAway::descriptors);
  }
  // 421 to every session that is between transactions; the others finish theirs.
  void shut_down();
  // Every connection at once; for the end of the loop.
  void close_all() { sessions_.close_all(); }
  std::uint32_t open() const { return static_cast<std::uint32_t>(counts_.open()); }
  const SessionCounts& counts() const { return counts_; }

 private:
  void progress(net::SessionId id);
  void authenticate(wire::ServerDialog& dialog, const wire::AuthRequest& request, net::SessionId id);
  void answer_auth(net::SessionId id, const wire::AuthResult& result);
  void submit(wire::SubmitRequest request, net::SessionId id);
  void answer(net::SessionId id, const intake::AcceptResult& result);
  wire::ServerDialog* dialog(net::SessionId id);

  Ports ports_;
  net::SessionTable sessions_;
  std::shared_ptr<const wire::ServerSettings> settings_;
  StoragePolicy policy_;
  SessionCounts counts_;
  Reception reception_;
  bool going_down_ = false;
};

}  // namespace relay
