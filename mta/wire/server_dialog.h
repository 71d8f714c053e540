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
#include "mta/wire/server_policy.h"
#include "mta/wire/server_settings.h"

namespace relay::wire {

struct AuthRequest {
  std::string mechanism;  // "PLAIN" or "LOGIN"
  std::string user;
  Secret password;
};
struct AuthResult {
  std::optional<Identity> identity;             // set: 235 2.7.0
  bool temporary = false;                       // not set and temporary: 454 4.7.0, else 535 5.7.8
  std::optional<Reply> refusal = std::nullopt;  // instead of these: who it is is known, but may not send so
  bool counts = false;                          // as a failure of the session all the same

  bool failed() const { return counts || (!identity && !refusal && !temporary); }
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
  // `policy` must outlive the dialog. The settings are shared by all sessions of a listener.
  ServerDialog(std::shared_ptr<const ServerSettings> settings, ServerPolicy& policy);
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
