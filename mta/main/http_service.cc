#include "mta/main/http_service.h"

#include <unistd.h>

#include <utility>
#include <vector>

#include "mta/base/log.h"
#include "mta/main/proxied.h"

namespace relay {
namespace {

// A connection there is no room for. Before TLS its client can read nothing.
void turn_away(int fd, bool tls) {
  constexpr std::string_view answer =
      "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  if (!tls && ::write(fd, answer.data(), answer.size()) < 0)
    log::debug("http: a client left before it was told 503");
  ::close(fd);
}

}  // namespace

void HttpService::take(int fd, const wire::PeerInfo& peer, const std::shared_ptr<net::TlsContext>& tls,
                       bool proxied, api::Door door) {
  // The administrator is let in even when applications have taken every place.
  const bool full = open() >= connections_ && door == api::Door::application;
  if (full || going_down_) {
    counts_.turn_away();
    log::warn("http: {} turned away: {} connections are open", peer.address, open());
    return turn_away(fd, tls != nullptr);
  }
  counts_.begin();
  net::Incoming incoming{.fd = fd, .peer = peer};
  if (proxied) incoming.on_header = proxy_header("http", peer);
  sessions_.adopt(std::move(incoming), std::make_unique<net::HttpDialog>(limits_, &api::Api::problem), tls,
                  tls != nullptr, [this, door](net::SessionId id) { progress(id, door); });
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
