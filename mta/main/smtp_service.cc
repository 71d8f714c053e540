#include "mta/main/smtp_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "mta/base/log.h"

namespace relay {
namespace {

// To a client that is turned away.
std::string words(const std::string& host_name, TurnedAway why) {
  const auto said = [&](std::string_view code, std::string_view what) {
    return fmt::format("421 {} {} {}, try again later\r\n", code, host_name, what);
  };
  if (why == TurnedAway::address) return said("4.7.0", "Too many connections from your address");
  if (why == TurnedAway::stopping) return said("4.3.2", "Shutting down");
  return said("4.3.2", "Too many connections");
}

// RFC 3848
std::string protocol_of(const wire::SubmitRequest& request) {
  if (!request.esmtp) return "SMTP";
  std::string name = request.envelope.smtputf8 ? "UTF8SMTP" : "ESMTP";  // RFC 6531 4.3
  if (request.tls) name += 'S';
  if (!request.who.key.empty()) name += 'A';
  return name;
}

std::optional<WallTime> moment_of(const std::optional<wire::Hold>& hold, WallTime now) {
  if (!hold) return std::nullopt;
  if (const auto* moment = std::get_if<WallTime>(&*hold)) return *moment;
  return now + std::chrono::ceil<std::chrono::milliseconds>(std::get<Duration>(*hold));
}

// RFC 4954 6: temporary, so that a client does not forget its password.
wire::Reply locked_out(const intake::Lockout& lockout) {
  return {
      454,
      "4.7.0",
      {fmt::format("Too many failed authentications {}; temporarily locked out {}",
                   lockout.kind == intake::LockoutKind::address ? "from your address" : "for this account",
                   intake::until_words(lockout.until))}};
}

}  // namespace

SmtpService::SmtpService(Ports ports, wire::ServerSettings settings, const net::SessionLimits& session_limits)
    : ports_(ports),
      sessions_(ports.loop, session_limits),
      settings_(std::make_shared<const wire::ServerSettings>(std::move(settings))),
      policy_(ports.intake, ports.admission, ports.loop),
      reception_("smtp", ports.loop, ports.admission, counts_,
                 [settings = settings_](TurnedAway why) { return words(settings->host_name, why); }) {
  // Deadlines that have become shorter are looked at anew.
  ports.admission.on_pressed([this, &loop = ports.loop] {
    loop.post([this] { sessions_.for_each([this](net::SessionId id) { sessions_.kick(id); }); });
  });
}

void SmtpService::take(int fd, const wire::PeerInfo& peer, const Reception::Way& way) {
  if (going_down_) return reception_.turn_away(fd, peer, way.tls_first, TurnedAway::stopping);
  auto guest = reception_.receive(fd, peer, way);
  if (!guest) return;
  counts_.begin();
  sessions_.adopt(std::move(guest->incoming), std::make_unique<wire::ServerDialog>(settings_, policy_),
                  way.tls, way.tls_first, [this](net::SessionId id) { progress(id); });
}

wire::ServerDialog* SmtpService::dialog(net::SessionId id) {
  if (sessions_.over(id)) return nullptr;
  return static_cast<wire::ServerDialog*>(sessions_.dialog(id));
}

void SmtpService::progress(net::SessionId id) {
  if (sessions_.over(id)) {
    counts_.end();
    return;
  }
  wire::ServerDialog* server = dialog(id);
  auto action = server ? server->take_action() : std::nullopt;
  if (!action) return;
  if (auto* auth = std::get_if<wire::AuthRequest>(&*action)) {
    authenticate(*server, *auth, id);
  } else {
    submit(std::move(std::get<wire::SubmitRequest>(*action)), id);
  }
}

void SmtpService::authenticate(wire::ServerDialog& server, const wire::AuthRequest& request,
                               net::SessionId id) {
  const std::string_view user = intake::KeyRing::public_name(request.user);
  const std::string account = ports_.keys.account_named(user).value_or(std::string(user));
  const intake::AuthGuard::Attempt attempt{spool::Origin::smtp, server.peer().address, account};
  if (const auto lockout = ports_.guard.refuses(attempt, ports_.loop))
    return answer_auth(id, {.identity = {}, .temporary = true, .refusal = locked_out(*lockout)});
  wire::AuthResult result{ports_.keys.check(request.password.reveal(), request.user), false};
  if (result.identity) {
    ports_.guard.succeeded(attempt, ports_.loop);
    return answer_auth(id, result);
  }
  log::warn("smtp: {} failed to authenticate as {}", server.peer().address, log::printable(user, 64));
  const Duration delay = ports_.guard.failed(attempt, ports_.loop);
  if (delay == Duration::zero()) return answer_auth(id, result);
  ports_.loop.at(ports_.loop.now() + delay, [this, id] { answer_auth(id, {}); });
}

void SmtpService::answer_auth(net::SessionId id, const wire::AuthResult& result) {
  wire::ServerDialog* server = dialog(id);
  if (!server) return;  // the client has gone
  server->on_auth_result(result, ports_.loop.now());
  sessions_.kick(id);
}

void SmtpService::submit(wire::SubmitRequest request, net::SessionId id) {
  intake::Submission submission;
  submission.origin = spool::Origin::smtp;
  submission.protocol = protocol_of(request);
  submission.envelope = std::move(request.envelope);
  submission.content = std::move(request.content);
  submission.hold = moment_of(request.hold, ports_.loop.wall());
  submission.who = std::move(request.who);
  submission.helo = std::move(request.helo);
  submission.peer = std::move(request.peer);
  ports_.intake.accept(std::move(submission), ports_.loop, ports_.rng,
                       [this, id](intake::AcceptResult result) { answer(id, result); });
}

void SmtpService::answer(net::SessionId id, const intake::AcceptResult& result) {
  wire::ServerDialog* server = dialog(id);
  if (!server) return;  // the client has gone; the message stays accepted
  if (result) {
    server->on_accept_result({250, "2.0.0", {"Ok: queued as " + result->id.text()}}, ports_.loop.now());
  } else {
    server->on_accept_result(result.error().reply, ports_.loop.now());
  }
  sessions_.kick(id);
}

void SmtpService::shut_down() {
  going_down_ = true;
  std::vector<net::SessionId> ids;
  sessions_.for_each([&](net::SessionId id) { ids.push_back(id); });
  for (net::SessionId id : ids) {
    if (wire::ServerDialog* server = dialog(id)) {
      server->shut_down(ports_.loop.now());
      sessions_.kick(id);
    }
  }
}

}  // namespace relay
