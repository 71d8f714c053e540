#include "mta/wire/server_dialog.h"

#include <algorithm>

#include "mta/base/result.h"
#include "mta/wire/server_impl.h"

namespace relay::wire {

using State = ServerDialog::Impl::State;

void ServerDialog::Impl::say_now(const Reply& reply) {
  if (state == State::closed) return;
  out.append(reply.encode());
  if (reply.permanent() && ++errors > errors_allowed())
    close_with(421, "4.7.0", settings->host_name + " Too many errors, closing");
}

// Under pressure nobody is held back, but sooner let go.
void ServerDialog::Impl::say(const Reply& reply) {
  const bool slowly = reply.permanent() && errors >= limits().errors_at_once && !policy.pressed() &&
                      limits().error_delay > Duration::zero() && state != State::closed;
  if (!slowly) return say_now(reply);
  slow_reply = reply;
  state = State::slowed;
  wait(clock, clock + limits().error_delay);
}

std::uint32_t ServerDialog::Impl::errors_allowed() const {
  return policy.pressed() ? std::min(limits().errors, limits().pressed_errors) : limits().errors;
}

void ServerDialog::Impl::close_with(int code, const char* enhanced, std::string text) {
  out.append(Reply{code, enhanced, {std::move(text)}}.encode());
  end();
}

void ServerDialog::Impl::end() {
  state = State::closed;
  deadline = never;
  reset_transaction();
}

void ServerDialog::Impl::rest(Instant now) {
  if (state == State::closed || state == State::slowed) return;
  state = State::command;
  await_command(now);
  if (going_down) close_with(421, "4.3.2", settings->host_name + " Shutting down");
}

void ServerDialog::Impl::await_command(Instant now) {
  wait(now, now + limits().command_timeout);
  if (in_transaction) deadline = std::min(deadline, transaction_ends);
}

// Only of those who hold content: that nobody else waits longer frees none of it.
bool ServerDialog::Impl::content_pressed() const {
  const ByteBudget* budget = policy.content();
  return incoming && budget != nullptr && budget->pressed();
}

void ServerDialog::Impl::reset_transaction() {
  in_transaction = false;
  envelope = Envelope();
  hold.reset();
  incoming.reset();
  chunk.reset();
}

ServerDialog::ServerDialog(std::shared_ptr<const ServerSettings> settings, ServerPolicy& policy)
    : impl_(std::make_unique<Impl>(std::move(settings), policy)) {}

ServerDialog::~ServerDialog() { wipe(impl_->in); }

void ServerDialog::on_open(const PeerInfo& peer, const TlsInfo* tls, Instant now) {
  if (impl_->state == State::closed) return;  // going down: 421 was the greeting
  impl_->clock = now;
  impl_->peer = peer;
  if (tls) impl_->tls = *tls;
  impl_->wait(now, now + impl_->limits().greeting_timeout);
  impl_->say(220, "", impl_->settings->host_name + " ESMTP ready");
}

void ServerDialog::on_tls(const TlsInfo& tls, Instant now) {
  if (impl_->state == State::closed) return;  // given up meanwhile
  RELAY_ASSERT(impl_->state == State::tls);
  impl_->tls = tls;
  impl_->helo.clear();
  impl_->extended = true;
  impl_->who.reset();
  impl_->reset_transaction();
  impl_->rest(now);
}

void ServerDialog::on_bytes(std::string_view bytes, Instant now) {
  impl_->clock = now;
  if (impl_->state != State::closed) impl_->take_bytes(bytes, now);
}

void ServerDialog::on_timeout(Instant now) {
  Impl& d = *impl_;
  d.clock = now;
  switch (d.state) {
    case State::closed: return;
    case State::tls: return d.end();  // within a handshake there is no one to talk to
    case State::slowed: {
      if (now < d.deadline) return;
      d.state = State::command;
      d.say_now(*std::exchange(d.slow_reply, std::nullopt));
      d.rest(now);
      return d.go_on(now);
    }
    default: d.close_with(421, "4.4.2", d.settings->host_name + " Timed out, closing");
  }
}

void ServerDialog::on_closed(const Closed&, Instant) { impl_->end(); }

Output& ServerDialog::output() { return impl_->out; }

Want ServerDialog::wants() const {
  switch (impl_->state) {
    case State::command:
    case State::authenticating:
    case State::data:
    case State::chunk: return Want::bytes;
    case State::waiting:
    case State::slowed: return Want::hold;
    case State::tls: return Want::tls_handshake;
    case State::closed: return Want::close;
  }
  return Want::close;
}

const PeerInfo& ServerDialog::peer() const { return impl_->peer; }

Instant ServerDialog::deadline() const {
  const Impl& d = *impl_;
  const bool pressed = d.policy.pressed() || d.content_pressed();
  if (d.deadline == never || d.state == State::slowed || !pressed) return d.deadline;
  return std::min(d.deadline, d.since + d.limits().pressed_timeout);
}

std::optional<ServerAction> ServerDialog::take_action() { return std::exchange(impl_->action, std::nullopt); }

void ServerDialog::on_auth_result(const AuthResult& result, Instant now) {
  Impl& d = *impl_;
  d.clock = now;
  if (d.state != State::waiting) return;  // closed meanwhile
  if (result.identity) {
    d.who = result.identity;
    d.say_now({235, "2.7.0", {"Authentication successful"}});
  } else {
    if (result.refusal)
      d.say_now(*result.refusal);
    else if (result.temporary)
      d.say_now({454, "4.7.0", {"Temporary authentication failure, try again later"}});
    else
      d.say_now({535, "5.7.8", {"Authentication credentials invalid"}});
    if (result.failed()) ++d.auth_failures;
    if (d.auth_failures >= d.limits().auth_failures && d.state != State::closed)
      d.close_with(421, "4.7.0", d.settings->host_name + " Too many failed authentications, closing");
  }
  d.rest(now);
  d.go_on(now);
}

void ServerDialog::on_accept_result(const Reply& reply, Instant now) {
  Impl& d = *impl_;
  d.clock = now;
  if (d.state != State::waiting) return;
  if (reply.positive()) d.errors = d.junk = 0;  // who sends mail is neither confused nor hostile
  d.say_now(reply);
  d.rest(now);
  d.go_on(now);
}

void ServerDialog::shut_down(Instant now) {
  Impl& d = *impl_;
  d.going_down = true;
  if (d.state == State::slowed) {
    d.state = State::command;
    d.say_now(*std::exchange(d.slow_reply, std::nullopt));
  }
  // Half a transaction is the client's still (RFC 5321 3.8); content under way is taken to its end.
  if (d.state == State::command || d.state == State::authenticating) d.rest(now);
}

}  // namespace relay::wire
