#include "mta/wire/server_dialog.h"

#include <algorithm>

#include "mta/base/result.h"
#include "mta/wire/ascii.h"
#include "mta/wire/headers.h"
#include "mta/wire/server_impl.h"

namespace relay::wire {

using State = ServerDialog::Impl::State;

void ServerDialog::Impl::say(const Reply& reply) {
  out.append(reply.encode());
  if (reply.permanent() && state != State::closed && ++errors > settings.limits.errors) {
    close_with(421, "4.7.0", settings.host_name + " Too many errors, closing");
  }
}

void ServerDialog::Impl::close_with(int code, const char* enhanced, std::string text) {
  out.append(Reply{code, enhanced, {std::move(text)}}.encode());
  end();
}

void ServerDialog::Impl::end() {
  state = State::closed;
  deadline = never;
}

void ServerDialog::Impl::rest(Instant now) {
  if (state == State::closed) return;
  state = State::command;
  deadline = now + settings.limits.command_timeout;
  if (going_down) close_with(421, "4.3.2", settings.host_name + " Shutting down");
}

void ServerDialog::Impl::reset_transaction() {
  in_transaction = false;
  envelope = Envelope();
  decoder.reset();
}

bool ServerDialog::Impl::offers_auth() const {
  return settings.require_auth && (tls || !settings.require_tls);
}

std::size_t ServerDialog::Impl::line_limit(std::string_view line_so_far) const {
  bool auth = state == State::authenticating || starts_ignoring_case(line_so_far, "AUTH ");
  return auth ? settings.limits.auth_line_bytes : settings.limits.command_line_bytes;
}

void ServerDialog::Impl::take_bytes(std::string_view bytes, Instant now) {
  if (in.empty()) {
    keep(bytes.substr(consume(bytes, now)));
    discard_unwanted();
  } else {
    keep(bytes);
    go_on(now);
  }
}

void ServerDialog::Impl::go_on(Instant now) {
  std::string held = std::exchange(in, std::string());
  keep(std::string_view(held).substr(consume(held, now)));
  wipe(held);
  discard_unwanted();
}

// What is kept may be half an AUTH line, so growing leaves no copy behind.
void ServerDialog::Impl::keep(std::string_view bytes) {
  if (in.capacity() - in.size() < bytes.size()) {
    std::string larger;
    larger.reserve(std::max(2 * in.size(), in.size() + bytes.size()));
    larger += in;
    wipe(in);
    in = std::move(larger);
  }
  in += bytes;
}

// RFC 3207 4.2: not one byte of the clear crosses into TLS, whether STARTTLS came alone or had to wait.
void ServerDialog::Impl::discard_unwanted() {
  if (state == State::closed || state == State::tls) wipe(in);
}

// As much as the state allows: whole lines, or message content. Stops where an answer of the owner is needed.
std::size_t ServerDialog::Impl::consume(std::string_view bytes, Instant now) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    std::size_t taken = 0;
    if (state == State::data) {
      taken = consume_data(bytes.substr(at), now);
    } else if (state == State::command || state == State::authenticating) {
      taken = consume_line(bytes.substr(at), now);
    }
    if (taken == 0) break;
    at += taken;
  }
  return at;
}

std::size_t ServerDialog::Impl::consume_data(std::string_view bytes, Instant now) {
  std::size_t taken = decoder->feed(bytes);
  deadline = now + settings.limits.data_timeout;
  if (decoder->done()) finish_data(now);
  return taken;
}

// RFC 6531 3.4. Some clients declare SMTPUTF8 whenever it is offered; a message that can do without it can
// also be delivered to a host without it.
static bool needs_smtputf8(const Envelope& envelope, const Body& content) {
  if (has_eight_bit(envelope.reverse_path)) return true;
  if (std::ranges::any_of(envelope.recipients, has_eight_bit, &Recipient::address)) return true;
  HeaderScan headers = scan_headers(content);
  return headers.eight_bit || !headers.complete;
}

void ServerDialog::Impl::finish_data(Instant now) {
  if (decoder->over_limit()) {
    say(552, "5.3.4", "Message is larger than " + std::to_string(settings.limits.message_bytes) + " bytes");
    reset_transaction();
    rest(now);
    return;
  }
  envelope.eight_bit = envelope.eight_bit || decoder->eight_bit();
  std::shared_ptr<Body> content = decoder->take();
  envelope.smtputf8 = envelope.smtputf8 && needs_smtputf8(envelope, *content);
  action = SubmitRequest{.envelope = std::move(envelope),
                         .content = std::move(content),
                         .who = who.value_or(Identity()),
                         .helo = helo,
                         .esmtp = extended,
                         .tls = tls.has_value(),
                         .peer = peer};
  reset_transaction();
  state = State::waiting;
  deadline = never;  // the owner always answers
}

// One line with its LF (a client that ends lines in LF alone is understood: nothing can be smuggled in
// commands).
std::size_t ServerDialog::Impl::consume_line(std::string_view bytes, Instant now) {
  std::size_t end = bytes.find('\n');
  std::size_t limit = line_limit(bytes);
  if (end == std::string_view::npos) {
    if (!skipping && bytes.size() <= limit) return 0;
    skipping = true;
    return bytes.size();
  }
  if (skipping || end + 1 > limit) {
    skipping = false;
    sasl.reset();
    say(500, "5.5.2", "Line too long");
    rest(now);
    return end + 1;
  }
  std::string_view line = bytes.substr(0, end);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (state == State::authenticating) {
    on_auth_line(line, now);
  } else {
    on_command(line, now);
  }
  return end + 1;
}

ServerDialog::ServerDialog(ServerSettings settings, ServerPolicy& policy)
    : impl_(std::make_unique<Impl>(std::move(settings), policy)) {}

ServerDialog::~ServerDialog() { wipe(impl_->in); }

void ServerDialog::on_open(const PeerInfo& peer, const TlsInfo* tls, Instant now) {
  if (impl_->state == State::closed) return;  // going down: 421 was the greeting
  impl_->peer = peer;
  if (tls) impl_->tls = *tls;
  impl_->deadline = now + impl_->settings.limits.greeting_timeout;
  impl_->say(220, "", impl_->settings.host_name + " ESMTP ready");
}

void ServerDialog::on_tls(const TlsInfo& tls, Instant now) {
  if (impl_->state == State::closed) return;  // given up meanwhile
  RELAY_ASSERT(impl_->state == State::tls);
  impl_->tls = tls;
  impl_->helo.clear();
  impl_->who.reset();
  impl_->reset_transaction();
  impl_->rest(now);
}

void ServerDialog::on_bytes(std::string_view bytes, Instant now) {
  if (impl_->state != State::closed) impl_->take_bytes(bytes, now);
}

void ServerDialog::on_timeout(Instant) {
  if (impl_->state == State::closed) return;
  if (impl_->state == State::tls) return impl_->end();  // within a handshake there is no one to talk to
  impl_->close_with(421, "4.4.2", impl_->settings.host_name + " Timed out, closing");
}

void ServerDialog::on_closed(const Closed&, Instant) { impl_->end(); }

Output& ServerDialog::output() { return impl_->out; }

Want ServerDialog::wants() const {
  switch (impl_->state) {
    case State::command:
    case State::authenticating:
    case State::data: return Want::bytes;
    case State::waiting: return Want::hold;
    case State::tls: return Want::tls_handshake;
    case State::closed: return Want::close;
  }
  return Want::close;
}

const PeerInfo& ServerDialog::peer() const { return impl_->peer; }

Instant ServerDialog::deadline() const { return impl_->deadline; }

std::optional<ServerAction> ServerDialog::take_action() { return std::exchange(impl_->action, std::nullopt); }

void ServerDialog::on_auth_result(const AuthResult& result, Instant now) {
  if (impl_->state != State::waiting) return;  // closed meanwhile
  if (result.identity) {
    impl_->who = result.identity;
    impl_->say(235, "2.7.0", "Authentication successful");
  } else if (result.refusal) {
    impl_->say(*result.refusal);
  } else if (result.temporary) {
    impl_->say(454, "4.7.0", "Temporary authentication failure, try again later");
  } else if (++impl_->auth_failures >= impl_->settings.limits.auth_failures) {
    impl_->say(535, "5.7.8", "Authentication credentials invalid");
    if (impl_->state != State::closed)
      impl_->close_with(421, "4.7.0",
                        impl_->settings.host_name + " Too many failed authentications, closing");
  } else {
    impl_->say(535, "5.7.8", "Authentication credentials invalid");
  }
  impl_->rest(now);
  impl_->go_on(now);
}

void ServerDialog::on_accept_result(const Reply& reply, Instant now) {
  if (impl_->state != State::waiting) return;
  if (reply.positive()) impl_->errors = 0;  // who sends mail is neither confused nor hostile
  impl_->say(reply);
  impl_->rest(now);
  impl_->go_on(now);
}

void ServerDialog::shut_down(Instant now) {
  impl_->going_down = true;
  // Half a transaction is the client's still (RFC 5321 3.8); content under way is taken to its end.
  if (impl_->state == State::command || impl_->state == State::authenticating) impl_->rest(now);
}

}  // namespace relay::wire
