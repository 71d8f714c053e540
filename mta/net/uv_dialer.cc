#include "mta/net/uv_dialer.h"

#include <utility>

namespace relay::net {

SessionId UvDialer::dial(const Target& target, std::unique_ptr<wire::ClientDialog> dialog,
                         Progress progress) {
  wire::TlsPolicy policy = dialog->tls_policy();
  return sessions_.connect(target, std::move(dialog), tls_, std::move(progress), std::move(policy));
}

// Every session of this table was made by dial().
wire::ClientDialog* UvDialer::dialog(SessionId id) {
  return static_cast<wire::ClientDialog*>(sessions_.dialog(id));
}

void UvDialer::kick(SessionId id) { sessions_.kick(id); }

}  // namespace relay::net
