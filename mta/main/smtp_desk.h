// SmtpDesk: what one kind of listener does with what its clients ask for: whom it lets in, and where their
// mail goes. SmtpService moves the requests here and the answers back.
//
// On one loop. `done` is called there, within the call or later, once at most; whoever waits for it may have
// gone by then. Outlives the service.
#pragma once
#include <cstdint>
#include <functional>

#include "mta/wire/server_dialog.h"

namespace relay {

class SmtpDesk {
 public:
  using Authenticated = std::move_only_function<void(const wire::AuthResult&)>;
  using Taken = std::move_only_function<void(const wire::Reply&)>;

  virtual ~SmtpDesk() = default;
  virtual wire::ServerPolicy& policy() = 0;
  virtual void authenticate(const wire::AuthRequest& request, const wire::PeerInfo& peer,
                            Authenticated done) = 0;
  // How many sessions at once his key may have; 0 is no limit.
  virtual std::uint32_t sessions(const wire::Identity& who) = 0;
  virtual void take(wire::SubmitRequest request, Taken done) = 0;
};

}  // namespace relay
