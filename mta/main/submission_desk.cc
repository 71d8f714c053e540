#include "mta/main/submission_desk.h"

#include <fmt/format.h>

#include <utility>

#include "mta/base/log.h"

namespace relay {
namespace {

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

void SubmissionDesk::authenticate(const wire::AuthRequest& request, const wire::PeerInfo& peer,
                                  Authenticated done) {
  const std::string user = ports_.keys.public_name(request.user);
  const std::string account = ports_.keys.account_named(request.user).value_or(user);
  const intake::AuthGuard::Attempt attempt{spool::Origin::smtp, peer.address, account};
  if (const auto lockout = ports_.guard.refuses(attempt, ports_.loop))
    return done({.identity = {}, .temporary = true, .refusal = locked_out(*lockout), .counts = true});
  wire::AuthResult result{ports_.keys.check(request.password.reveal(), request.user), false};
  if (result.identity) {
    ports_.guard.succeeded(attempt, ports_.loop);
    result.refusal = policy_.on_auth(*result.identity, peer);
    if (result.refusal) result.identity.reset();
    return done(result);
  }
  log::warn("smtp: {} failed to authenticate as {}", peer.address, log::printable(user, 64));
  const Duration delay = ports_.guard.failed(attempt, ports_.loop);
  if (delay == Duration::zero()) return done(result);
  ports_.loop.at(ports_.loop.now() + delay, [done = std::move(done)]() mutable { done({}); });
}

std::uint32_t SubmissionDesk::sessions(const wire::Identity& who) {
  const auto known = ports_.keys.find(who.key);
  return known ? known->key.policy.sessions : 0;
}

void SubmissionDesk::take(wire::SubmitRequest request, Taken done) {
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
                       [done = std::move(done)](intake::AcceptResult result) mutable {
                         if (result)
                           done({250, "2.0.0", {"Ok: queued as " + result->id.text()}});
                         else
                           done(result.error().reply);
                       });
}

}  // namespace relay
