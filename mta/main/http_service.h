// HttpService: HTTP on one loop, for applications on TCP and for relayctl on the Unix socket. Puts an
// HttpDialog on every accepted connection, hands its requests to the Api and the answers back by session id.
//
// All on the loop's thread. Ports outlive it.
#pragma once
#include <cstdint>
#include <memory>

#include "mta/intake/admission.h"
#include "mta/main/reception.h"
#include "mta/main/session_counts.h"
#include "mta/net/http_dialog.h"
#include "mta/net/session.h"
#include "relay-api/api.h"

namespace relay {

class HttpService {
 public:
  struct Ports {
    net::UvLoop& loop;
    api::Api& api;
    Admission& admission;
  };
  HttpService(Ports ports, const net::HttpLimits& limits, const net::SessionLimits& session_limits);

  // Takes the descriptor; over the limit an application is told 503 and let go. The administrator is let in
  // even when applications have taken every place.
  void take(int fd, const wire::PeerInfo& peer, const Reception::Way& way, api::Door door);
  // The last descriptor there is, and the caller's still: the client is told 503.
  void turn_away(int fd, const wire::PeerInfo& peer, const Reception::Way& way) {
    reception_.turn_away(fd, peer, way.tls_first, TurnedAway::descriptors);
  }
  void shut_down();  // idle connections are closed, the others after their answer
  // Every connection at once; for the end of the loop.
  void close_all() { sessions_.close_all(); }
  std::uint32_t open() const { return static_cast<std::uint32_t>(counts_.open()); }
  const SessionCounts& counts() const { return counts_; }

 private:
  void progress(net::SessionId id, api::Door door);
  net::HttpDialog* dialog(net::SessionId id);

  Ports ports_;
  net::SessionTable sessions_;
  net::HttpLimits limits_;
  SessionCounts counts_;
  Reception reception_;
  bool going_down_ = false;
};

}  // namespace relay
