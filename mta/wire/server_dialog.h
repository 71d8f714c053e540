// ServerDialog: the server's side of SMTP (RFC 5321) for submission (RFC 6409) and for the sink. Pure; see
// dialog.h.
//
// States: greeting -> command <-> (authenticating | data | waiting). In `waiting` one action is with the
// owner, who answers with on_auth_result or on_accept_result; nothing further is read meanwhile (wants() is
// hold), bytes already read stay buffered, bounded by Limits::command_line_bytes and the driver's one read.
// The order of replies is the order of commands (RFC 2920). At STARTTLS everything buffered is discarded and
// the session starts anew (RFC 3207 4.2). Message data ends at CRLF.CRLF only.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "mta/base/secret.h"
#include "mta/wire/command.h"
#include "mta/wire/dialog.h"
#include "mta/wire/envelope.h"

namespace relay::wire {

struct ServerLimits {
  std::size_t command_line_bytes =
      4096;  // RFC 5321 4.5.3.1.4 asks for 512; AUTH (RFC 4954 4) needs more: 12288 is
             // the size of AUTH's own lines, which use `auth_line_bytes`
  std::size_t auth_line_bytes = 12288;      // RFC 4954 4
  std::uint32_t recipients = 1000;          // a transaction; RFC 5321 4.5.3.1.8 asks for at least 100
  std::uint64_t message_bytes = 50u << 20;  // announced by SIZE (RFC 1870)
  std::uint32_t errors = 20;                // refused commands before 421, counted anew after each message
                                            // accepted; a confused or hostile client
  std::uint32_t auth_failures = 3;          // a session, before 421
  Duration greeting_timeout =
      std::chrono::minutes(5);  // RFC 5321 4.5.3.2.7: at least 5 minutes for any command
  Duration command_timeout = std::chrono::minutes(5);  // RFC 5321 4.5.3.2.7
  Duration data_timeout = std::chrono::minutes(5);     // between two reads of a message
};

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

struct ServerSettings {
  std::string host_name;       // in the greeting and the EHLO reply
  bool offer_starttls = true;  // a certificate is there and TLS is not yet on
  bool require_auth = true;    // MAIL is refused with 530 5.7.0 until AUTH has succeeded; false: the sink
  bool require_tls =
      true;  // AUTH is offered and taken only under TLS (RFC 4954 4); no effect without require_auth
  ServerLimits limits;
};

struct AuthRequest {
  std::string mechanism;  // "PLAIN" or "LOGIN"
  std::string user;
  Secret password;
};
struct AuthResult {
  std::optional<Identity> identity;             // set: 235 2.7.0
  bool temporary = false;                       // not set and temporary: 454 4.7.0, else 535 5.7.8
  std::optional<Reply> refusal = std::nullopt;  // instead of these: who it is is known, but may not send so
};

// A whole message as received: content is undotted, every line ends in CRLF, nothing added yet.
struct SubmitRequest {
  Envelope envelope;
  std::shared_ptr<Body> content;
  std::optional<Hold> hold = std::nullopt;  // FUTURERELEASE
  Identity who;                             // empty strings without authentication
  std::string helo;                         // the name given in EHLO or HELO
  bool esmtp = true;
  bool tls = false;
  PeerInfo peer;
};
using ServerAction = std::variant<AuthRequest, SubmitRequest>;

class ServerDialog final : public Dialog {
 public:
  // `policy` must outlive the dialog.
  ServerDialog(ServerSettings settings, ServerPolicy& policy);
  ~ServerDialog() override;

  void on_open(const PeerInfo& peer, const TlsInfo* tls, Instant now) override;
  void on_tls(const TlsInfo& tls, Instant now) override;
  void on_bytes(std::string_view bytes, Instant now) override;
  void on_timeout(Instant now) override;
  void on_closed(const Closed& why, Instant now) override;
  Output& output() override;
  Want wants() const override;
  Instant deadline() const override;

  const PeerInfo& peer() const;  // who it is talking to, as on_open() was told

  // After every event: what the owner must do, at most one at a time. Taking it starts the wait.
  std::optional<ServerAction> take_action();
  void on_auth_result(const AuthResult& result, Instant now);
  // 250 with the text, or the refusal; the transaction is over either way.
  void on_accept_result(const Reply& reply, Instant now);
  // The process is going down: 421 as soon as no reply is owed.
  void shut_down(Instant now);

  struct Impl;  // server_impl.h

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace relay::wire
