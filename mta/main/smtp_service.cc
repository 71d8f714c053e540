#include "mta/main/smtp_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "mta/base/log.h"
#include "mta/net/socket.h"

namespace relay {
namespace {

// To a client that is turned away.
std::string words(const std::string& host_name, TurnedAway why) {
  const auto said = [&](std::string_view code, std::string_view what) {
    return fmt::format("421 {} {} {}, try again later\r\n", code, host_name, what);
  };
  if (why == TurnedAway::address) return said("4.7.0", "Too many connections from your address");
  if (why == TurnedAway::stopping) return said("4.3.2", "Shutting down");
  return said("4.3.2", "Too many connections");
}

}  // namespace

SmtpService::SmtpService(std::string_view name, Ports ports, wire::ServerSettings settings,
                         const net::SessionLimits& session_limits)
    : ports_(ports),
      sessions_(ports.loop, session_limits),
      settings_(std::make_shared<const wire::ServerSettings>(std::move(settings))),
      reception_(name, ports.loop, ports.admission, counts_,
                 [settings = settings_](TurnedAway why) { return words(settings->host_name, why); }) {
  // Deadlines that have become shorter are looked at anew.
  ports.admission.on_pressed([this, &loop = ports.loop] {
    loop.post([this] { sessions_.for_each([this](net::SessionId id) { sessions_.kick(id); }); });
  });
}

void SmtpService::take(int fd, const wire::PeerInfo& peer, const Reception::Way& way) {
  if (going_down_) {
    const net::Socket closed(fd);
    return reception_.turn_away(fd, peer, way.tls_first, TurnedAway::stopping);
  }
  auto guest = reception_.receive(fd, peer, way);
  if (!guest) return;
  counts_.begin();
  sessions_.adopt(std::move(guest->incoming),
                  std::make_unique<wire::ServerDialog>(settings_, ports_.desk.policy()), way.tls,
                  way.tls_first,
                  [this, place = std::move(guest->place)](net::SessionId id) { progress(id, place); });
}

wire::ServerDialog* SmtpService::dialog(net::SessionId id) {
  if (sessions_.over(id)) return nullptr;
  return static_cast<wire::ServerDialog*>(sessions_.dialog(id));
}

template <class F>
void SmtpService::with(net::SessionId id, F f) {
  wire::ServerDialog* server = dialog(id);
  if (!server) return;  // the client has gone; a message that was taken stays so
  f(*server);
  sessions_.kick(id);
}

void SmtpService::progress(net::SessionId id, const Place& place) {
  if (sessions_.over(id)) {
    counts_.end();
    return;
  }
  wire::ServerDialog* server = dialog(id);
  auto action = server ? server->take_action() : std::nullopt;
  if (!action) return;
  if (const auto* auth = std::get_if<wire::AuthRequest>(&*action)) {
    // The session keeps its place; an answer that comes after it, even after all sessions, must not.
    ports_.desk.authenticate(*auth, server->peer(),
                             [this, id, kept = std::weak_ptr(place)](const wire::AuthResult& result) {
                               if (const Place there = kept.lock()) finish_auth(id, *there, result);
                             });
  } else {
    ports_.desk.take(std::move(std::get<wire::SubmitRequest>(*action)), [this, id](const wire::Reply& reply) {
      with(id, [&](wire::ServerDialog& d) { d.on_accept_result(reply, ports_.loop.now()); });
    });
  }
}

// Who it is is known now, and so how many sessions he may have.
void SmtpService::finish_auth(net::SessionId id, Admission::Place& place, wire::AuthResult result) {
  with(id, [&](wire::ServerDialog& server) {
    const std::uint32_t limit = result.identity ? ports_.desk.sessions(*result.identity) : 0;
    if (result.identity && !place.take_key(result.identity->key, limit)) {
      reception_.count(server.peer(), TurnedAway::key);
      result.identity.reset();
      result.refusal = wire::Reply{
          454,
          "4.7.0",
          {fmt::format("This key has {} sessions already, as many as it may have; use them or end one",
                       limit)}};
    }
    server.on_auth_result(result, ports_.loop.now());
  });
}

void SmtpService::shut_down() {
  going_down_ = true;
  std::vector<net::SessionId> ids;
  sessions_.for_each([&](net::SessionId id) { ids.push_back(id); });
  for (net::SessionId id : ids) {
    if (wire::ServerDialog* server = dialog(id)) {
      server->shut_down(ports_.loop.now());
      sessions_.kick(id);
    }
  }
}

}  // namespace relay
