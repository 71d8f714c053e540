#include "mta/main/descriptors.h"

#include <doctest/doctest.h>

using namespace relay;

TEST_CASE("the listeners' limits give way to a limit of descriptors, in proportion") {
  struct Case {
    std::uint64_t limit;
    DescriptorNeeds needs;
    std::uint32_t submission, http;
    bool warned;
  };
  const DescriptorNeeds usual{.submission = 5000, .http = 2000, .delivery = 1000, .listeners = 3, .loops = 2};
  const std::uint64_t rest = 1000 + 64 + 2 * 64 + 2 * 3 * 2;
  for (const auto& [limit, needs, submission, http, warned] :
       {Case{1'048'576, usual, 5000, 2000, false}, Case{rest + 7000, usual, 5000, 2000, false},
        Case{rest + 6999, usual, 4999, 1999, true}, Case{rest + 700, usual, 500, 200, true},
        Case{1024, usual, 91, 36, true},  // deliveries alone want more: an eighth is for those who come
        Case{64, usual, 5, 2, true}, Case{4, usual, 1, 1, true},
        Case{~std::uint64_t{0}, {.submission = ~0u, .http = ~0u, .delivery = ~0u}, ~0u, ~0u, false},
        Case{300, {.submission = 5000, .delivery = 10}, 162, 0, true}}) {
    CAPTURE(limit);
    const DescriptorPlan plan = plan_descriptors(limit, needs);
    CHECK(plan.submission == submission);
    CHECK(plan.http == http);
    CHECK(plan.warning.has_value() == warned);
  }
  CHECK(*plan_descriptors(rest + 700, usual).warning ==
        "the limit of open files is 1904, and the configuration can need 8204: submission.connections counts "
        "as 500 "
        "in place of 5000; http.connections counts as 200 in place of 2000; raise the limit (LimitNOFILE= in "
        "systemd) "
        "or lower these and delivery.connections");
  CHECK(plan_descriptors(100, {.submission = 5000}).warning->find("http") == std::string::npos);
}
