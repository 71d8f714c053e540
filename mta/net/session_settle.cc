// The half of SessionMachine that follows every event: send, act on what the dialog wants, watch the socket,
// arm the one timer.
#include <algorithm>

#include "mta/net/session_machine.h"

namespace relay::net {
namespace {

using wire::Closed;
using wire::Want;

constexpr std::size_t turn_bytes = 1u << 20;  // sent by one session before others have their turn

}  // namespace

void SessionMachine::settle() {
  std::size_t left = turn_bytes;
  while (phase_ != Phase::gone) {
    if (close_asked_) {
      if (!over_) {
        parts_.dialog->on_closed({Closed::Why::reset, "closed on this side"}, now());
        last_progress();
      }
      return vanish();
    }
    if (!send(left)) break;
    if (!act()) break;
  }
  if (phase_ == Phase::gone) return;
  watch();
  rearm();
}

// True if nothing is left unsent (or it never can be), so that what the dialog wants may be done.
bool SessionMachine::send(std::size_t& left) {
  if (!link_ || phase_ == Phase::connecting) return true;
  while (true) {
    pull_output();
    const bool was_blocked = link_->blocked();
    const std::size_t moved = link_->flush(left);
    if (moved > 0 || link_->blocked() != was_blocked) moved_at_ = now();
    left -= std::min(left, moved);
    if (link_->broken()) return true;
    if (!link_->has_unsent())
      sent_by_ = never;
    else if (sent_by_ == never)
      owe(0);  // TLS's own, or what turns a client away
    if (link_->has_unsent()) {
      if (!link_->blocked() && phase_ != Phase::handshaking) later();
      return phase_ == Phase::handshaking;
    }
    if (!sent_owed_ || over_) return true;
    sent_owed_ = false;
    parts_.dialog->on_sent(now());
    call_progress();
    if (close_asked_) return true;
  }
}

bool SessionMachine::pull_output() {
  if (!parts_.dialog || !link_ || parts_.dialog->output().empty()) return false;
  if (awaits_opening()) return false;
  if (link_->broken()) {
    parts_.dialog->output().take();
    return false;
  }
  owe(parts_.dialog->output().bytes());
  link_->take(parts_.dialog->output());
  sent_owed_ = true;
  return true;
}

// Its peer is not yet known, or TLS not yet there: what its dialog has to say is not for the clear.
bool SessionMachine::awaits_opening() const {
  return !opened_ && (phase_ == Phase::proxying || phase_ == Phase::handshaking);
}

// More output gives more time, at the least rate: who reads faster than that is never late, however much
// there is and though it may never all have left.
void SessionMachine::owe(std::size_t bytes) {
  if (sent_by_ == never) sent_by_ = now() + host_.limits.write_timeout;
  const std::chrono::duration<double> at_least_rate{static_cast<double>(bytes) / host_.limits.least_rate};
  sent_by_ += std::chrono::duration_cast<Duration>(at_least_rate);
}

// One step towards what the dialog wants. True if something happened, so that there may be more to send.
bool SessionMachine::act() {
  switch (phase_) {
    case Phase::fresh:
    case Phase::lingering:
    case Phase::gone: return false;
    case Phase::flushing: finish_close(); return true;
    case Phase::connecting:
    case Phase::proxying:
    case Phase::handshaking:
      if (parts_.dialog->wants() != Want::close) return false;
      last_progress();
      vanish();
      return false;
    case Phase::open: break;
  }
  switch (parts_.dialog->wants()) {
    case Want::close: begin_close(); return true;
    case Want::tls_handshake: start_handshake(); return true;
    case Want::bytes: return deliver_plain();
    case Want::hold: return false;
  }
  return false;
}

void SessionMachine::start_handshake() {
  if (!parts_.tls) return end(Closed::Why::tls_failed, "TLS is not set up here");
  if (link_->tls() != nullptr) return end(Closed::Why::tls_failed, "TLS is on already");
  phase_ = Phase::handshaking;
  phase_deadline_ = now() + host_.limits.handshake_timeout;
  link_->start_tls(parts_.remote ? TlsEngine::make_client(parts_.tls, *parts_.remote, now())
                                 : TlsEngine::make_server(parts_.tls));
  link_->pull_tls();
}

// Reading goes on being watched until input comes that is not wanted: most clients send nothing while they
// wait for a reply, and two calls into the kernel are saved for each.
void SessionMachine::watch() {
  const bool write = link_->blocked() && link_->has_unsent();
  switch (phase_) {
    case Phase::connecting: return link_->watch(false, true);
    case Phase::handshaking:
    case Phase::open: return link_->watch(may_read() || (link_->watches_reads() && !input_waits_), write);
    case Phase::proxying:
    case Phase::lingering: return link_->watch(true, false);
    case Phase::fresh:
    case Phase::flushing:
    case Phase::gone: return link_->watch(false, write);
  }
}

bool SessionMachine::deadline_counts() const {
  return !over_ && (opened_ || phase_ == Phase::connecting) && parts_.dialog->wants() != Want::close;
}

Instant SessionMachine::next_deadline() const {
  Instant when = phase_deadline_;
  when = std::min(when, write_deadline());
  // A dialog that lets a deadline stand after it has passed has nothing more to hear about it.
  if (deadline_counts() && parts_.dialog->deadline() != told_)
    when = std::min(when, parts_.dialog->deadline());
  return when;
}

Instant SessionMachine::write_deadline() const {
  if (!link_->blocked() || !link_->has_unsent()) return never;
  return std::min(moved_at_ + host_.limits.write_timeout, sent_by_);
}

// A timer that is armed too early is left to fire, and armed again then: deadlines move with every message,
// and mostly backward.
void SessionMachine::rearm() {
  const Instant when = next_deadline();
  if (when >= timer_at_) return;
  host_.loop.cancel(timer_);
  timer_at_ = when;
  timer_ = host_.loop.at(when, [this] { on_timer(); });
}

}  // namespace relay::net
