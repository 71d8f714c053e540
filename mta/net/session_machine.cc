#include "mta/net/session_machine.h"

#include <fmt/format.h>

#include <cerrno>
#include <utility>

namespace relay::net {
using wire::Closed;
using wire::Want;

SessionMachine::SessionMachine(SessionHost& host, SessionId id, Parts parts, Result<Socket> socket)
    : host_(host), id_(id), parts_(std::move(parts)) {
  if (socket)
    link_.emplace(host_.loop.raw(), std::move(*socket), [this](Link::Event event) { on_event(event); });
  else
    connect_error_ = {
        socket.error().code == Errc::not_found ? Closed::Why::no_route : Closed::Why::connect_failed,
        socket.error().message};
  later();
}

SessionMachine::~SessionMachine() { host_.loop.cancel(timer_); }

void SessionMachine::later() {
  if (std::exchange(later_asked_, true)) return;
  host_.later(*this);
}

void SessionMachine::kick() {
  if (over_) return;
  kicked_ = true;
  if (!in_progress_) later();
}

void SessionMachine::close() {
  close_asked_ = true;
  later();
}

void SessionMachine::resume() {
  later_asked_ = false;
  if (phase_ == Phase::gone) return;
  if (phase_ == Phase::fresh && !close_asked_) begin();
  if (std::exchange(kicked_, false)) call_progress();
  settle();
}

void SessionMachine::begin() {
  if (!link_) return end(connect_error_.why, connect_error_.detail);
  if (parts_.remote) {
    phase_ = Phase::connecting;
  } else if (parts_.incoming.on_header) {
    await_header();
  } else if (parts_.implicit_tls) {
    start_handshake();
  } else {
    open();
  }
}

// Without TLS.
void SessionMachine::open() {
  phase_ = Phase::open;
  opened_ = true;
  parts_.dialog->on_open(peer(), nullptr, now());
  call_progress();
}

wire::PeerInfo SessionMachine::peer() const {
  return parts_.remote ? peer_of(link_->fd()) : parts_.incoming.peer;
}

void SessionMachine::on_event(Link::Event event) {
  switch (phase_) {
    case Phase::fresh:
    case Phase::gone: return;
    case Phase::connecting: on_connected(); break;
    case Phase::proxying: read_header(event.error); break;
    case Phase::lingering: discard_input(); break;
    case Phase::flushing: link_->unblock(); break;
    case Phase::handshaking:
    case Phase::open:
      if (event.writable || event.error) link_->unblock();
      if (event.readable || event.error) {
        if (may_read())
          read(event.error);
        else
          input_waits_ = true;
      }
      break;
  }
  settle();
}

void SessionMachine::on_connected() {
  if (const int error = pending_error(link_->fd()); error != 0)
    return end(Closed::Why::connect_failed, reason(error));
  if (parts_.implicit_tls) return start_handshake();
  open();
}

bool SessionMachine::may_read() const {
  if (phase_ == Phase::handshaking) return true;
  return phase_ == Phase::open && parts_.dialog->wants() == Want::bytes &&
         link_->owned_bytes() <= host_.limits.unsent_bytes;
}

void SessionMachine::read(bool error) {
  input_waits_ = false;
  const Link::Received got = link_->receive(host_.buffer);
  switch (got.kind) {
    case Link::Received::Kind::bytes:
      if (link_->tls() != nullptr) return feed_tls(got.bytes);
      parts_.dialog->on_bytes(got.bytes, now());
      return call_progress();
    case Link::Received::Kind::end_of_file:
      if (phase_ == Phase::handshaking)
        return end(Closed::Why::tls_failed, "the peer closed the connection during the handshake");
      if (link_->broken()) return end(Closed::Why::reset, link_->broken_reason());
      return end(Closed::Why::end_of_file, "");
    case Link::Received::Kind::error: return end(Closed::Why::reset, got.error);
    case Link::Received::Kind::nothing: {
      if (!error) return;
      const int number = pending_error(link_->fd());
      return end(Closed::Why::reset, reason(number != 0 ? number : ECONNRESET));
    }
  }
}

void SessionMachine::feed_tls(std::string_view bytes) {
  TlsEngine& engine = *link_->tls();
  const bool was_established = engine.established();
  const auto fed = engine.feed(bytes);
  link_->pull_tls();
  if (!was_established && engine.established()) on_established();
  if (phase_ == Phase::open) deliver_plain();
  if (!fed && !over_)
    end(was_established ? Closed::Why::reset : Closed::Why::tls_failed, fed.error().message);
}

void SessionMachine::on_established() {
  phase_ = Phase::open;
  phase_deadline_ = never;
  const wire::TlsInfo info = link_->tls()->info();
  if (std::exchange(opened_, true))
    parts_.dialog->on_tls(info, now());
  else
    parts_.dialog->on_open(peer(), &info, now());
  call_progress();
}

// What was decrypted waits in the engine while the dialog is on hold. True if anything happened.
bool SessionMachine::deliver_plain() {
  TlsEngine* engine = link_->tls();
  if (engine == nullptr || parts_.dialog->wants() != Want::bytes) return false;
  if (const std::string plain = engine->plain(); !plain.empty()) {
    parts_.dialog->on_bytes(plain, now());
    call_progress();
    return true;
  }
  if (!engine->peer_closed()) return false;
  end(Closed::Why::end_of_file, "");
  return true;
}

void SessionMachine::discard_input() {
  for (int i = 0; i < 16; ++i) {  // then others have their turn
    const auto got = link_->receive(host_.buffer);
    if (got.kind == Link::Received::Kind::nothing) return;
    if (got.kind != Link::Received::Kind::bytes) return vanish();
  }
}

void SessionMachine::on_timer() {
  timer_ = {};
  timer_at_ = never;
  const Instant at = now();
  if (phase_deadline_ <= at) {
    if (phase_ == Phase::lingering) return vanish();
    if (phase_ == Phase::proxying) return no_header("it was not there in time");
    end(Closed::Why::tls_failed,
        fmt::format("the handshake was not done within {} s",
                    std::chrono::ceil<std::chrono::seconds>(host_.limits.handshake_timeout).count()));
  } else if (write_deadline() <= at) {
    if (over_) return vanish();
    end(Closed::Why::reset,
        sent_by_ <= at
            ? "the peer took what was sent too slowly"
            : fmt::format("the peer took nothing of what was sent for {} s",
                          std::chrono::ceil<std::chrono::seconds>(host_.limits.write_timeout).count()));
  } else if (deadline_counts() && parts_.dialog->deadline() != told_ && parts_.dialog->deadline() <= at) {
    told_ = parts_.dialog->deadline();
    parts_.dialog->on_timeout(at);
    call_progress();
  }
  settle();
}

void SessionMachine::call_progress() {
  if (over_) return;
  do {
    kicked_ = false;
    in_progress_ = true;
    parts_.progress(id_);
    in_progress_ = false;
    // A kick from within is another event if it brought output; else it would never end.
  } while (pull_output() && kicked_ && !close_asked_);
  kicked_ = false;
}

// The transport has ended. What is unsent still goes to a peer that closed only its half, or is an alert.
void SessionMachine::end(Closed::Why why, std::string detail) {
  const auto problem = link_ && link_->tls() != nullptr ? link_->tls()->problem() : std::nullopt;
  parts_.dialog->on_closed({why, std::move(detail), problem}, now());
  if (why == Closed::Why::end_of_file) pull_output();
  last_progress();
  if (!link_ || link_->broken() || why == Closed::Why::reset || why == Closed::Why::connect_failed)
    return vanish();
  if (why == Closed::Why::tls_failed) {
    link_->flush(SIZE_MAX);  // what the socket takes at once of an alert
    return vanish();
  }
  peer_ended_ = true;
  phase_ = Phase::flushing;
}

// The dialog wants to close and its output has left.
void SessionMachine::begin_close() {
  if (link_->tls() != nullptr) {
    link_->tls()->close();
    link_->pull_tls();
  }
  last_progress();
  phase_deadline_ = never;
  phase_ = Phase::flushing;
}

// Closing a socket with unread input sends a reset, which can overtake the last reply on its way to the
// client: so a server ends its own half and waits for the client's end (RFC 9112 9.6 explains it).
void SessionMachine::finish_close() {
  if (parts_.remote || peer_ended_ || link_->broken()) return vanish();
  link_->send_fin();
  phase_ = Phase::lingering;
  phase_deadline_ = now() + host_.limits.linger_timeout;
}

void SessionMachine::last_progress() {
  over_ = true;
  auto progress = std::move(parts_.progress);
  progress(id_);
  parts_.dialog.reset();
}

void SessionMachine::vanish() {
  if (phase_ == Phase::gone) return;
  phase_ = Phase::gone;
  if (link_) link_->watch(false, false);
  host_.loop.cancel(timer_);
  host_.buried(*this);
}

}  // namespace relay::net
