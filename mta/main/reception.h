// Reception: what a service does with a connection before it is a session: finds it a place, asks for its
// PROXY header, or turns it away with a sentence. The sentence goes out at once or never: nothing is kept for
// those who are turned away, and before TLS they are closed without a word.
//
// On one loop; the Admission is shared by all loops and outlives it. What is turned away is logged once in a
// while, with how many there were, as it may be very many.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mta/base/loop.h"
#include "mta/intake/admission.h"
#include "mta/main/session_counts.h"
#include "mta/net/session.h"

namespace relay {

class Reception {
 public:
  using Words = std::function<std::string(TurnedAway why)>;  // to the client, as its protocol has them

  Reception(std::string_view protocol, Loop& loop, Admission& admission, SessionCounts& counts, Words words)
      : protocol_(protocol), loop_(loop), admission_(admission), counts_(counts), words_(std::move(words)) {}

  // Of the listener that a connection came by.
  struct Way {
    std::shared_ptr<net::TlsContext> tls = nullptr;  // the listener's, or null
    bool tls_first = false;
    bool proxied = false;  // it has to begin with a PROXY header
  };
  struct Guest {
    net::Incoming incoming;
    std::shared_ptr<Admission::Place> place;  // incoming keeps it too
  };
  // Takes the descriptor; nothing if it was turned away.
  std::optional<Guest> receive(int fd, const wire::PeerInfo& peer, const Way& way);
  // The descriptor stays the caller's, to be closed at once.
  void turn_away(int fd, const wire::PeerInfo& peer, bool tls_first, TurnedAway why);
  // A session that its owner ends for the same reasons.
  void count(const wire::PeerInfo& peer, TurnedAway why);

 private:
  net::Incoming::OnHeader on_header(const wire::PeerInfo& balancer, std::shared_ptr<Admission::Place> place);

  std::string_view protocol_;
  Loop& loop_;
  Admission& admission_;
  SessionCounts& counts_;
  Words words_;
  Instant quiet_until_{};
  std::uint64_t unsaid_ = 0;  // turned away since the last line of the log
};

}  // namespace relay
