// UvDialer: the Dialer that opens real TCP connections, by a SessionTable of this loop. All on the loop's
// thread.
#pragma once
#include <memory>

#include "mta/net/dialer.h"
#include "mta/net/session.h"

namespace relay::net {

class UvDialer final : public Dialer {
 public:
  // `sessions` and `tls` (a client context) serve every connection; sessions outlives it. Each keeps to its
  // dialog's policy.
  UvDialer(SessionTable& sessions, std::shared_ptr<TlsContext> tls)
      : sessions_(sessions), tls_(std::move(tls)) {}
  SessionId dial(const Target& target, std::unique_ptr<wire::ClientDialog> dialog,
                 Progress progress) override;
  wire::ClientDialog* dialog(SessionId id) override;
  void kick(SessionId id) override;

 private:
  SessionTable& sessions_;
  std::shared_ptr<TlsContext> tls_;
};

}  // namespace relay::net
