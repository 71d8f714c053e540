#include "mta/main/http_service.h"

#include <utility>
#include <vector>

#include "mta/net/socket.h"

namespace relay {
namespace {

// To a client that is turned away, whatever it was to ask for.
std::string words(TurnedAway) {
  return "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: "
         "close\r\n\r\n";
}

}  // namespace

HttpService::HttpService(Ports ports, const net::HttpLimits& limits, const net::SessionLimits& session_limits)
    : ports_(ports),
      sessions_(ports.loop, session_limits),
      limits_(limits),
      reception_("http", ports.loop, ports.admission, counts_, words) {}

void HttpService::take(int fd, const wire::PeerInfo& peer, const Reception::Way& way, api::Door door) {
  if (going_down_) {
    const net::Socket closed(fd);
    return reception_.turn_away(fd, peer, way.tls_first, TurnedAway::stopping);
  }
  net::Incoming incoming{.fd = fd, .peer = peer};
  if (door == api::Door::application) {
    auto guest = reception_.receive(fd, peer, way);
    if (!guest) return;
    incoming = std::move(guest->incoming);
  }
  counts_.begin();
  sessions_.adopt(std::move(incoming), std::make_unique<net::HttpDialog>(limits_, &api::Api::problem),
                  way.tls, way.tls_first, [this, door](net::SessionId id) { progress(id, door); });
}

net::HttpDialog* HttpService::dialog(net::SessionId id) {
  if (sessions_.over(id)) return nullptr;
  return static_cast<net::HttpDialog*>(sessions_.dialog(id));
}

void HttpService::progress(net::SessionId id, api::Door door) {
  if (sessions_.over(id)) {
    counts_.end();
    return;
  }
  net::HttpDialog* server = dialog(id);
  auto request = server ? server->take_request() : std::nullopt;
  if (!request) return;
  ports_.api.handle(std::move(*request), door, [this, id](net::HttpResponse response) {
    net::HttpDialog* asked = dialog(id);
    if (!asked) return;  // the client has gone
    asked->respond(std::move(response), ports_.loop.wall(), ports_.loop.now());
    sessions_.kick(id);
  });
}

void HttpService::shut_down() {
  going_down_ = true;
  std::vector<net::SessionId> ids;
  sessions_.for_each([&](net::SessionId id) { ids.push_back(id); });
  for (net::SessionId id : ids) {
    if (net::HttpDialog* server = dialog(id)) {
      server->shut_down(ports_.loop.now());
      sessions_.kick(id);
    }
  }
}

}  // namespace relay
