#include "mta/main/submission_policy.h"

#include <utility>

namespace relay {
namespace {

std::optional<wire::Reply> reply_of(std::optional<intake::Refusal> refusal) {
  if (!refusal) return std::nullopt;
  return std::move(refusal->reply);
}

}  // namespace

wire::Allowance SubmissionPolicy::allowance(const wire::Identity* who, const wire::ServerLimits& limits) {
  wire::Allowance allowed = ServerPolicy::allowance(who, limits);
  allowed.release = intake_.release(loop_.wall());
  if (who != nullptr) intake_.narrow(*who, allowed);
  return allowed;
}

std::optional<wire::Reply> SubmissionPolicy::on_mail(const wire::Identity* who, const wire::MailFrom& mail) {
  if (auto refusal = intake_.turn_away()) return reply_of(std::move(refusal));
  if (who == nullptr) return std::nullopt;
  return reply_of(intake_.turn_away(*who, mail.reverse_path, loop_));
}

std::optional<wire::Reply> SubmissionPolicy::on_auth(const wire::Identity& who, const wire::PeerInfo& peer) {
  return reply_of(intake_.turn_away_client(who, peer.address));
}

}  // namespace relay
