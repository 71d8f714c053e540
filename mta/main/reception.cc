#include "mta/main/reception.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <array>
#include <utility>

#include "mta/base/log.h"
#include "mta/net/socket.h"

namespace relay {
namespace {

constexpr Duration log_pause = std::chrono::seconds(1);

std::string_view sentence(TurnedAway why) {
  switch (why) {
    case TurnedAway::connections: return "all places are taken";
    case TurnedAway::address: return "its address has all it may have";
    case TurnedAway::key: return "its API key has all it may have";
    case TurnedAway::descriptors: return "no descriptor is left";
    case TurnedAway::proxy: return "its PROXY header is missing or malformed";
    case TurnedAway::stopping: return "the relay is being stopped";
  }
  return "";
}

}  // namespace

std::optional<Reception::Guest> Reception::receive(int fd, const wire::PeerInfo& peer, const Way& way) {
  net::Socket socket(fd);
  std::shared_ptr<Admission::Place> place = admission_.enter();
  if (!place) {
    turn_away(fd, peer, way.tls_first, TurnedAway::connections);
    return std::nullopt;
  }
  if (!way.proxied && !place->take_address(peer.address)) {
    turn_away(fd, peer, way.tls_first, TurnedAway::address);
    return std::nullopt;
  }
  Guest guest{{.fd = socket.release(), .peer = peer, .kept = place}, place};
  if (way.proxied) guest.incoming.on_header = on_header(peer, std::move(place));
  return guest;
}

net::Incoming::OnHeader Reception::on_header(const wire::PeerInfo& balancer,
                                             std::shared_ptr<Admission::Place> place) {
  return [this, balancer,
          place = std::move(place)](const Result<wire::PeerInfo>& client) -> std::optional<std::string> {
    if (!client && client.error().code == Errc::not_found) {  // as balancers ask whether the port is open
      log::debug("{}: the balancer {} has connected and gone without a word", protocol_, balancer.address);
      return std::nullopt;
    }
    if (!client) {
      counts_.turn_away(TurnedAway::proxy);
      log::warn(
          "{}: a connection from the balancer {} is closed, as its PROXY header is missing or malformed: {}",
          protocol_, balancer.address, client.error().message);
      return std::nullopt;
    }
    if (place->take_address(client->address)) return std::nullopt;
    count(*client, TurnedAway::address);
    return words_(TurnedAway::address);
  };
}

void Reception::turn_away(int fd, const wire::PeerInfo& peer, bool tls_first, TurnedAway why) {
  count(peer, why);
  if (tls_first) return;
  // What has come is read, as a socket closed with unread input is reset, and its client may see no more than
  // that. The words always fit the buffer of a new socket.
  std::array<char, 4096> unread;
  (void)::recv(fd, unread.data(), unread.size(), MSG_DONTWAIT);
  const std::string words = words_(why);
  if (::send(fd, words.data(), words.size(), MSG_NOSIGNAL) < 0)
    log::debug("{}: a client left before it was told why it is turned away", protocol_);
}

void Reception::count(const wire::PeerInfo& peer, TurnedAway why) {
  counts_.turn_away(why);
  ++unsaid_;
  if (loop_.now() < quiet_until_) return;
  quiet_until_ = loop_.now() + log_pause;
  const std::uint64_t others = std::exchange(unsaid_, 0) - 1;
  log::warn("{}: {} turned away: {}; {} sessions are open{}", protocol_, peer.address, sentence(why),
            admission_.sessions(), others > 0 ? fmt::format("; {} more turned away before it", others) : "");
}

}  // namespace relay
