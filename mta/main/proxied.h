// What a service does about the PROXY header of a connection: without one the balancer is named in the log.
#pragma once
#include <string_view>

#include "mta/base/log.h"
#include "mta/net/session.h"

namespace relay {

inline net::Incoming::OnHeader proxy_header(std::string_view protocol, const wire::PeerInfo& balancer) {
  return [protocol, balancer](const Result<wire::PeerInfo>& client) -> std::optional<std::string> {
    if (!client)
      log::warn(
          "{}: a connection from the balancer {} is closed, as its PROXY header is missing or malformed: {}",
          protocol, balancer.address, client.error().message);
    return std::nullopt;
  };
}

}  // namespace relay
