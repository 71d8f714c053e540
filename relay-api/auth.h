// Who calls: the API key of a request (RFC 6750 2.1: Authorization: Bearer rk_…).
#pragma once
#include <expected>

#include "mta/intake/keys.h"
#include "relay-api/problem.h"

namespace relay::api {

// 401 with WWW-Authenticate if there is no key or it does not count. Which of unknown, mistyped and revoked
// it is, is not told.
std::expected<wire::Identity, Problem> authenticate(const net::HttpRequest& request,
                                                    const intake::KeyRing& keys);

}  // namespace relay::api
