// The part of SessionMachine before TLS and greeting on connections that come by way of a balancer: its PROXY
// header. The header alone is taken from the socket; what is behind it stays there for TLS or the dialog.
#include <cerrno>
#include <utility>

#include "mta/net/session_machine.h"

namespace relay::net {

void SessionMachine::await_header() {
  phase_ = Phase::proxying;
  phase_deadline_ = now() + host_.limits.proxy_timeout;
}

void SessionMachine::read_header(bool error) {
  const Link::Received got = link_->peek(host_.buffer);
  const auto gone = [this] { return header_.empty() ? Errc::not_found : Errc::invalid; };
  switch (got.kind) {
    case Link::Received::Kind::end_of_file: return no_header("the connection was closed before it", gone());
    case Link::Received::Kind::error: return no_header(got.error, gone());
    case Link::Received::Kind::nothing: {
      if (!error) return;
      const int number = pending_error(link_->fd());
      return no_header(reason(number != 0 ? number : ECONNRESET), gone());
    }
    case Link::Received::Kind::bytes: break;
  }
  const std::size_t had = header_.size();
  header_ += got.bytes.substr(0, wire::proxy_header_bytes - had);
  const auto header = wire::parse_proxy_header(header_);
  if (!header) return no_header(header.error().message);
  // Not the client's bytes.
  const std::size_t taken = (*header ? (*header)->bytes : header_.size()) - had;
  (void)link_->receive(host_.buffer.first(taken));
  if (*header) on_header(**header);
}

void SessionMachine::on_header(const wire::ProxyHeader& header) {
  header_ = std::string();
  phase_deadline_ = never;
  if (header.addresses) parts_.incoming.peer = header.addresses->source;
  auto told = std::exchange(parts_.incoming.on_header, {});
  if (const auto refusal = told(parts_.incoming.peer)) return turn_away(*refusal);
  if (parts_.implicit_tls)
    start_handshake();
  else
    open();
}

void SessionMachine::no_header(std::string why, Errc code) {
  auto told = std::exchange(parts_.incoming.on_header, {});
  told(fail(code, why));
  end(wire::Closed::Why::reset, "no PROXY header: " + why);
}

void SessionMachine::turn_away(std::string_view text) {
  parts_.dialog->on_closed({wire::Closed::Why::reset, "turned away"}, now());
  last_progress();
  if (parts_.implicit_tls) return vanish();
  link_->append(std::string(text));
  phase_ = Phase::flushing;
}

}  // namespace relay::net
