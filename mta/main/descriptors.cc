#include "mta/main/descriptors.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace relay {

DescriptorPlan plan_descriptors(std::uint64_t limit, const DescriptorNeeds& needs) {
  const std::uint64_t incoming = std::uint64_t{needs.submission} + needs.http;
  const std::uint64_t rest = needs.reserve + std::uint64_t{needs.per_loop} * needs.loops + needs.delivery +
                             needs.inbound + 2 * std::uint64_t{needs.listeners} * needs.loops;
  if (limit >= rest + incoming) return {needs.submission, needs.http, std::nullopt};
  // In proportion; and one each at least, as a relay that takes nothing is none. With a limit that small
  // deliveries and look-ups may fail, and are tried again.
  const std::uint64_t room = std::max<std::uint64_t>(limit > rest ? limit - rest : 0, limit / 8);
  const auto share = [&](std::uint32_t wanted) {
    const auto part = static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, room * wanted / incoming));
    return wanted == 0 ? 0 : std::max(part, 1u);
  };
  DescriptorPlan plan{share(needs.submission), share(needs.http), std::nullopt};
  const auto told = [](std::string_view setting, std::uint32_t counts, std::uint32_t wanted) {
    return wanted == 0 ? std::string()
                       : fmt::format(" {} counts as {} in place of {};", setting, counts, wanted);
  };
  plan.warning = fmt::format(
      "the limit of open files is {}, and the configuration can need {}:{}{} raise the limit (LimitNOFILE= "
      "in systemd) "
      "or lower these and delivery.connections",
      limit, rest + incoming, told("submission.connections", plan.submission, needs.submission),
      told("http.connections", plan.http, needs.http));
  return plan;
}

}  // namespace relay
