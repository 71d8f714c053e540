// What a look-up without hosts means for mail, and families that cannot be reached.
#include <doctest/doctest.h>

#include "mta/queue/site.h"
#include "mta/queue/trouble.h"

using namespace relay;
using namespace relay::queue;
using Status = dns::MailHosts::Status;

TEST_CASE("what it means that there is no mail host") {
  struct Case {
    Status status;
    bool bogus, fixed;
    Disposition disposition;
    std::string begins;
  };
  const Case cases[] = {
      {Status::null_mx, false, false, Disposition::failed, "5.1.10 "},
      {Status::no_domain, false, false, Disposition::failed, "5.1.2 "},
      {Status::loop, false, false, Disposition::failed, "5.4.6 "},
      {Status::refused, false, false, Disposition::failed, "5.4.4 "},
      {Status::temporary, false, false, Disposition::deferred, "4.4.3 "},
      {Status::temporary, true, false, Disposition::deferred, "4.7.5 "},
      {Status::ok, false, false, Disposition::deferred, "4.4.3 "},
      {Status::no_domain, false, true, Disposition::deferred, "4.4.3 "},
      {Status::temporary, false, true, Disposition::deferred, "4.4.3 "},
      {Status::temporary, true, true, Disposition::deferred, "4.7.5 "},
  };
  for (const Case& c : cases) {
    CAPTURE(c.begins);
    CAPTURE(c.fixed);
    dns::MailHosts found;
    found.status = c.status;
    found.bogus = c.bogus;
    found.detail = "the reason";
    const Verdict verdict = judge(found, c.fixed);
    CHECK(verdict.disposition == c.disposition);
    CHECK(verdict.detail.starts_with(c.begins));
    CHECK(verdict.detail.ends_with(": the reason"));
    found.detail.clear();
    CHECK_FALSE(judge(found, c.fixed).detail.ends_with(": "));
    found.detail.assign(100'000, 'x');  // a domain may publish any number of hosts
    CHECK(judge(found, c.fixed).detail.size() < 1100);
  }
}

TEST_CASE("a family without a route is left out, unless nothing else is there") {
  const auto left = [](std::vector<std::string> addresses, bool no_ipv4, bool no_ipv6) {
    std::vector<net::Target> targets;
    for (const auto& address : addresses) targets.push_back({"mx", address, 25});
    leave_out(targets, no_ipv4, no_ipv6);
    std::vector<std::string> rest;
    for (const auto& target : targets) rest.push_back(target.address);
    return rest;
  };
  using Some = std::vector<std::string>;
  const Some both{"2001:db8::1", "192.0.2.1"}, six{"2001:db8::1"}, four{"192.0.2.1"};
  CHECK(left(both, false, false) == both);
  CHECK(left(both, false, true) == four);
  CHECK(left(both, true, false) == six);
  CHECK(left(both, true, true) == both);
  CHECK(left(six, false, true) == six);
  CHECK(left(four, false, true) == four);
  CHECK(left({}, true, true).empty());
}
