// What the owner of a ServerDialog allows its client, asked synchronously and without I/O on the dialog's
// thread.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "mta/base/byte_budget.h"
#include "mta/wire/command.h"
#include "mta/wire/envelope.h"
#include "mta/wire/server_settings.h"

namespace relay::wire {

// Who has authenticated. Opaque to the dialog but for its being there; the owner put it in AuthResult.
struct Identity {
  std::string account;
  std::string key;  // key id
};

// What one message may be, for this sender now; announced in EHLO's reply.
struct Allowance {
  std::uint64_t message_bytes = 0;  // SIZE (RFC 1870)
  std::uint32_t recipients = 0;     // LIMITS RCPTMAX (RFC 9422)
  struct Release {                  // FUTURERELEASE (RFC 4865)
    std::chrono::seconds longest{};
    WallTime latest;
  };
  std::optional<Release> release = std::nullopt;  // none: not offered
};

// What the owner allows this session, consulted synchronously and without I/O. nullopt means yes. This one
// allows everything; who may send at all is the dialog's own question (ServerSettings::require_auth).
class ServerPolicy {
 public:
  virtual ~ServerPolicy() = default;
  // Whether sessions are near their limit: then deadlines and what is forgiven shrink. A session hears of a
  // change when its deadline is next asked for.
  virtual bool pressed() const { return false; }
  // What all content under way shares; null is no limit. While it is pressed, content must come faster and is
  // waited for less. Outlives the dialog.
  virtual ByteBudget* content() const { return nullptr; }
  // Asked for EHLO's reply and at MAIL.
  virtual Allowance allowance(const Identity*, const ServerLimits& limits) {
    return {limits.message_bytes, limits.recipients};
  }
  // After the dialog's own checks: syntax, state, SIZE and hold against the allowance.
  virtual std::optional<Reply> on_mail(const Identity*, const MailFrom&) { return std::nullopt; }
  virtual std::optional<Reply> on_rcpt(const Identity*, const Envelope& /*so_far*/,
                                       const std::string& /*address*/) {
    return std::nullopt;
  }
};

}  // namespace relay::wire
