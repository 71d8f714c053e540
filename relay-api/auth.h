// Who calls: the API key of a request (RFC 6750 2.1: Authorization: Bearer rk_…).
#pragma once
#include <expected>

#include "relay-api/api.h"
#include "relay-api/problem.h"

namespace relay::api {

// 401 with WWW-Authenticate if there is no key or it does not count. Which of unknown, mistyped and revoked
// it is, is not told. 429 with Retry-After while the guard has the client or the key's account locked out; a
// request without a key is no attempt.
std::expected<wire::Identity, Problem> authenticate(const net::HttpRequest& request, const Api::Ports& ports);

}  // namespace relay::api
