#include "relay-api/auth.h"

#include <algorithm>

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

}  // namespace

std::expected<wire::Identity, Problem> authenticate(const net::HttpRequest& request,
                                                    const intake::KeyRing& keys) {
  const std::string* header = request.header("authorization");
  if (header == nullptr)
    return std::unexpected(Problem{401,
                                   "missing_key",
                                   "This needs an API key, as in Authorization: Bearer rk_….",
                                   {},
                                   {{"WWW-Authenticate", "Bearer realm=\"relay\""}}});
  const auto token = bearer_token(*header);
  auto who = token ? keys.check(*token, std::nullopt) : std::nullopt;
  if (!who)  // RFC 6750 3.1
    return std::unexpected(
        Problem{401,
                "invalid_key",
                "The API key is not known or is revoked.",
                {},
                {{"WWW-Authenticate", "Bearer realm=\"relay\", error=\"invalid_token\""}}});
  return std::move(*who);
}

}  // namespace relay::api
