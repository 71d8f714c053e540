// SaslClient: the client's side of AUTH (RFC 4954) by PLAIN (RFC 4616) or LOGIN. Pure; one exchange.
//
// What holds a credential is a Secret, so that it is wiped after it was sent and cannot be logged. Replies
// are passed through hide(): a host that repeats what it was sent would bring it into log and store.
#pragma once
#include <cstddef>
#include <memory>
#include <optional>

#include "mta/wire/client_dialog.h"
#include "mta/wire/client_extensions.h"

namespace relay::wire {

class SaslClient {
 public:
  using Mechanism = ClientAuth::Mechanism;
  // The first of the configured ones that the host offers.
  static std::optional<Mechanism> choose(const ClientAuth& auth, const Extensions& offered);

  SaslClient(std::shared_ptr<const ClientAuth> auth, Mechanism mechanism);
  // With CRLF, as all lines are.
  Secret command();
  // The answer to a challenge, whatever it says: there is but one order. Nothing: no more is to be answered.
  std::optional<Secret> respond();
  Reply hide(Reply reply) const;

 private:
  Secret initial() const;

  std::shared_ptr<const ClientAuth> auth_;
  Mechanism mechanism_;
  bool with_initial_;  // the response stands in the command itself
  std::size_t answered_ = 0;
};

}  // namespace relay::wire
