// What became of an attempt: memory, store and log, in this order.
#include "mta/base/log.h"
#include "mta/queue/scheduler_impl.h"

namespace relay::queue {
namespace {

std::string host_text(const net::Target& target) {
  const std::string place = fmt::format("[{}]:{}", target.address, target.port);
  return target.name == target.address ? place : target.name + " " + place;
}

void log_outcome(const Attempt& attempt, const RecipientRef& ref, const std::string& address,
                 std::uint32_t attempts, const std::string& next) {
  const spool::Event& event = attempt.event;
  const std::string who = address.empty() ? fmt::format("#{}", ref.index) : log::printable(address);
  // Of a delivery the detail is the reply again.
  const std::string detail = event.type == spool::EventType::delivered
                                 ? ""
                                 : fmt::format(" detail={}", log::printable(event.detail));
  const bool known = attempt.about && attempt.about->cause != Cause::other;
  const std::string about =
      known ? fmt::format(" cause={} scope={}", text(attempt.about->cause), text(attempt.about->scope)) : "";
  log::info("{} message={} recipient={} attempt={} host={} tls={} stage={} reply={}{}{}{}{}",
            spool::text(event.type), ref.message.text(), who, attempts, log::printable(event.host),
            event.tls ? "yes" : "no", log::printable(event.stage), log::printable(event.reply.text()), about,
            detail, event.in_doubt ? " in_doubt=yes" : "", next);
}

std::string span_text(Duration span) {
  const auto hours = std::chrono::duration_cast<std::chrono::hours>(span).count();
  if (hours > 0) return fmt::format("{} h", hours);
  return fmt::format("{} s", std::chrono::duration_cast<std::chrono::seconds>(span).count());
}

}  // namespace

Verdict Scheduler::Impl::judge_of(const Connection& c, const wire::Fact& fact) const {
  return judge(fact, *settings.classifier, c.targets[c.at].name);
}

spool::Event Scheduler::Impl::event_of(const wire::Fact& fact, const Verdict& verdict, const Connection& c,
                                       bool tls) const {
  spool::Event event;
  event.stage = wire::phrase(fact.stage);
  event.host = host_text(c.targets[c.at]);
  if (const auto* reply = std::get_if<wire::Reply>(&fact.answer)) event.reply = *reply;
  event.detail = verdict.detail;
  event.tls = tls;
  event.in_doubt = verdict.in_doubt;
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(ports.loop.now() - c.started);
  event.duration_ms = static_cast<std::uint32_t>(std::max<std::int64_t>(took.count(), 0));
  return event;
}

// Of several hosts' refusals one that may pass outweighs a final one.
void Scheduler::Impl::refused(Connection& c, const wire::Fact& fact, bool tls) {
  const Verdict verdict = judge_of(c, fact);
  slow_down(c, verdict, fact);
  const bool final = verdict.disposition == Disposition::failed;
  if (final && c.refusal && c.refusal->disposition == Disposition::deferred) return;
  c.refusal = Attempt{final ? Disposition::failed : Disposition::deferred, event_of(fact, verdict, c, tls),
                      verdict.about};
}

void Scheduler::Impl::conclude(Slot recipient, Attempt attempt, Pauses& pauses,
                               const spool::MessagePtr& message, spool::Ticket ticket) {
  spool::Event& event = attempt.event;
  OpenRecipient& r = all[recipient];
  ++r.attempts;
  event.recipient = r.index;
  event.at = ports.loop.wall();
  if (event.in_doubt) ++totals.in_doubt;
  const spool::MessagePtr known = message ? message : bodies.peek(r.message);
  const std::string address =
      known && r.index < known->envelope.recipients.size() ? known->envelope.recipients[r.index].address : "";
  switch (attempt.disposition) {
    case Disposition::delivered:
      event.type = spool::EventType::delivered;
      ++totals.delivered;
      return finish(recipient, std::move(attempt), spool::Status::delivered, address, ticket);
    case Disposition::failed:
      event.type = spool::EventType::failed;
      ++totals.failed;
      return finish(recipient, std::move(attempt), spool::Status::failed, address, ticket);
    case Disposition::deferred: return defer(recipient, std::move(attempt), pauses, address, ticket);
  }
}

// The last attempt is made when the window ends, and not after it.
void Scheduler::Impl::defer(Slot recipient, Attempt attempt, Pauses& pauses, const std::string& address,
                            spool::Ticket ticket) {
  const OpenRecipient& r = all[recipient];
  spool::Event& event = attempt.event;
  const Duration asked = attempt.about ? attempt.about->pause : Duration::zero();
  event.type = spool::EventType::deferred;
  ++totals.deferred;
  auto [pause, fresh] = pauses.try_emplace({r.attempts, asked});
  if (fresh) pause->second = retry_pause(settings.retry, r.attempts, asked, ports.rng);
  const Instant end = instant_of(all.message_of(recipient).since) + settings.retry.window;
  const bool last = expired(recipient);
  const Instant due = last ? ports.loop.now() : std::min(ports.loop.now() + pause->second, end);
  const WallTime due_wall = wall_of(due);
  log_outcome(attempt, all.ref(recipient), address, r.attempts, " next=" + format_rfc3339(due_wall));
  const std::string why = event.reply.code != 0 ? event.reply.text() : event.detail;
  submit(spool::Attempted{all.ref(recipient), std::move(event), spool::Status::queued, due_wall, ticket});
  if (last) return expire(recipient, why, address);
  put(recipient, Place::waiting, due);
}

bool Scheduler::Impl::expired(Slot recipient) {
  return ports.loop.wall() >= all.message_of(recipient).since + settings.retry.window;
}

void Scheduler::Impl::expire(Slot recipient, const std::string& why, const std::string& address) {
  spool::Event event;
  event.type = spool::EventType::failed;
  event.at = ports.loop.wall();
  event.recipient = all[recipient].index;
  // RFC 3463 3.5: X.4.7 delivery time expired.
  event.detail = "4.4.7 delivery time expired after " + span_text(settings.retry.window);
  if (!why.empty()) event.detail += "; last: " + why;
  ++totals.failed;
  finish(recipient, {Disposition::failed, std::move(event), {}}, spool::Status::failed, address, 0);
}

void Scheduler::Impl::finish(Slot recipient, Attempt attempt, spool::Status status,
                             const std::string& address, spool::Ticket ticket) {
  log_outcome(attempt, all.ref(recipient), address, all[recipient].attempts, "");
  submit(spool::Attempted{all.ref(recipient), std::move(attempt.event), status, {}, ticket});
  forget(recipient);
}

void Scheduler::Impl::submit(spool::Operation operation) {
  // Nobody waits for an outcome, so it may share another's commit. If it fails the writer says so, and what
  // memory knows stays true.
  spool::Committed done;
  if (after_commit)
    done = guarded([this, next = std::exchange(after_commit, nullptr)](const Result<void>&) mutable {
      next();
      settle();
    });
  const bool taken = ports.writer.submit(std::move(operation), ports.loop, std::move(done));
  RELAY_ASSERT(taken);  // the writer never refuses outcomes
}

}  // namespace relay::queue
