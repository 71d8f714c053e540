#include "relay-api/auth.h"

#include <fmt/format.h>

#include <algorithm>

#include "mta/base/log.h"

namespace relay::api {
namespace {

// The token after "Bearer" (any case, RFC 9110 11.1), or nothing.
std::optional<std::string_view> bearer_token(std::string_view value) {
  constexpr std::string_view scheme = "bearer";
  if (value.size() <= scheme.size() || value[scheme.size()] != ' ') return std::nullopt;
  const bool is_bearer =
      std::equal(scheme.begin(), scheme.end(), value.begin(), [](char expected, char given) {
        return (given >= 'A' && given <= 'Z' ? static_cast<char>(given - 'A' + 'a') : given) == expected;
      });
  if (!is_bearer) return std::nullopt;
  value.remove_prefix(scheme.size());
  while (value.starts_with(' ')) value.remove_prefix(1);
  while (value.ends_with(' ')) value.remove_suffix(1);
  return value;
}

Problem locked_out(const intake::Lockout& lockout, WallTime now) {
  const auto seconds = std::max(std::chrono::ceil<std::chrono::seconds>(lockout.until - now).count(),
                                decltype(std::chrono::seconds{}.count()){1});
  return {429,
          "locked_out",
          fmt::format("Too many failed authentications {}; temporarily locked out {}.",
                      lockout.kind == intake::LockoutKind::address ? "from your address" : "for this account",
                      intake::until_words(lockout.until)),
          {},
          {{"Retry-After", std::to_string(seconds)}}};
}

}  // namespace

std::expected<wire::Identity, Problem> authenticate(const net::HttpRequest& request,
                                                    const Api::Ports& ports) {
  const std::string* header = request.header("authorization");
  if (header == nullptr)
    return std::unexpected(Problem{401,
                                   "missing_key",
                                   "This needs an API key, as in Authorization: Bearer rk_….",
                                   {},
                                   {{"WWW-Authenticate", "Bearer realm=\"relay\""}}});
  const auto token = bearer_token(*header);
  const std::string account = token ? ports.keys.account_named(*token).value_or("") : "";
  const intake::AuthGuard::Attempt attempt{spool::Origin::http, request.peer.address, account};
  if (const auto lockout = ports.guard.refuses(attempt, ports.loop))
    return std::unexpected(locked_out(*lockout, ports.loop.wall()));
  auto who = token ? ports.keys.check(*token, std::nullopt) : std::nullopt;
  if (!who) {  // RFC 6750 3.1
    log::warn("http: {} came with a key that does not count", request.peer.address);
    (void)ports.guard.failed(attempt, ports.loop);  // not delayed: requests behind it would wait too
    return std::unexpected(
        Problem{401,
                "invalid_key",
                "The API key is not known or is revoked.",
                {},
                {{"WWW-Authenticate", "Bearer realm=\"relay\", error=\"invalid_token\""}}});
  }
  ports.guard.succeeded(attempt, ports.loop);
  return std::move(*who);
}

}  // namespace relay::api
