// SmtpService: SMTP sessions of one kind on one loop. Puts a ServerDialog on every accepted connection and
// carries its requests to its desk and the answers back by session id, so that a session may vanish
// meanwhile.
//
// All on the loop's thread. Ports outlive it; after shut_down() no further connection must be handed to it.
#pragma once
#include <cstdint>
#include <memory>
#include <string_view>

#include "mta/intake/admission.h"
#include "mta/main/reception.h"
#include "mta/main/session_counts.h"
#include "mta/main/smtp_desk.h"
#include "mta/net/session.h"
#include "mta/wire/server_dialog.h"

namespace relay {

class SmtpService {
 public:
  struct Ports {
    net::UvLoop& loop;
    Admission& admission;
    SmtpDesk& desk;
  };
  // `name` of the kind, for the log: a literal.
  SmtpService(std::string_view name, Ports ports, wire::ServerSettings settings,
              const net::SessionLimits& session_limits);

  // Takes the descriptor; over a limit the client is told 421 and let go.
  void take(int fd, const wire::PeerInfo& peer, const Reception::Way& way);
  // The last descriptor there is, and the caller's still: the client is told 421.
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
  using Place = std::shared_ptr<Admission::Place>;
  void progress(net::SessionId id, const Place& place);
  void finish_auth(net::SessionId id, Admission::Place& place, wire::AuthResult result);
  // What is done with a session's dialog, if the session is still there.
  template <class F>
  void with(net::SessionId id, F f);
  wire::ServerDialog* dialog(net::SessionId id);

  Ports ports_;
  net::SessionTable sessions_;
  std::shared_ptr<const wire::ServerSettings> settings_;
  SessionCounts counts_;
  Reception reception_;
  bool going_down_ = false;
};

}  // namespace relay
