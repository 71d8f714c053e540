#include "mta/wire/tls_policy.h"

#include <array>

#include "mta/base/result.h"

namespace relay::wire {

std::string_view text(TlsProblem problem) {
  static constexpr std::array<std::string_view, 11> names{
      "starttls-not-supported", "certificate-host-mismatch",
      "certificate-expired",    "certificate-not-trusted",
      "validation-failure",     "tlsa-invalid",
      "dnssec-invalid",         "dane-required",
      "sts-policy-fetch-error", "sts-policy-invalid",
      "sts-webpki-invalid"};
  const auto index = static_cast<std::size_t>(problem);
  RELAY_ASSERT(index < names.size());
  return names[index];
}

}  // namespace relay::wire
