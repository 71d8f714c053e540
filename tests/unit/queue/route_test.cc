#include "mta/queue/route.h"

#include <doctest/doctest.h>

#include <string>

using namespace relay::queue;

namespace {

std::string show(const Destination& d) {
  std::string text = d.site + " domain=" + d.domain;
  if (d.fixed) text += " to=" + d.fixed->host + " port=" + std::to_string(d.fixed->port);
  return text + (d.tls_required ? " tls" : "");
}

}  // namespace

TEST_CASE("route: without rules mail goes to the domain's own hosts") {
  CHECK(show(Router({}).route("example.com")) == "mx:example.com domain=example.com");
}

TEST_CASE("route: patterns") {
  const struct {
    std::string_view pattern, domain;
    bool matches;
  } cases[] = {
      {"example.com", "example.com", true},
      {"Example.COM", "example.com", true},
      {"example.com", "sub.example.com", false},
      {"example.com", "anexample.com", false},
      {"example.com", "", false},
      {"*.example.com", "sub.example.com", true},
      {"*.example.com", "a.b.example.com", true},
      {"*.Example.com", "a.example.com", true},
      {"*.example.com", "example.com", false},
      {"*.example.com", ".example.com", false},
      {"*.example.com", "anexample.com", false},
      {"*", "example.com", true},
      {"*", "", true},
      {"*.com", "example.com", true},
      {"*.com", "com", false},
  };
  for (const auto& c : cases) {
    CAPTURE(c.pattern);
    CAPTURE(c.domain);
    const Router router({{std::string(c.pattern), HostPort{"hub", 2525}, false}});
    CHECK(router.route(c.domain).fixed.has_value() == c.matches);
  }
}

TEST_CASE("route: the first rule that matches counts") {
  const Router router({
      {"direct.example", std::nullopt, false},
      {"tls.example", std::nullopt, true},
      {"*.example", HostPort{"hub.example", 587}, true},
      {"six.test", HostPort{"2001:db8::1", 25}, false},
      {"*", HostPort{"127.0.0.1", 2526}, false},
  });
  CHECK(show(router.route("direct.example")) == "mx:direct.example domain=direct.example");
  CHECK(show(router.route("tls.example")) == "mx:tls.example/tls domain=tls.example tls");
  CHECK(show(router.route("a.example")) ==
        "host:hub.example:587/tls domain=a.example to=hub.example port=587 tls");
  CHECK(show(router.route("six.test")) == "host:[2001:db8::1]:25 domain=six.test to=2001:db8::1 port=25");
  CHECK(show(router.route("any.where")) == "host:127.0.0.1:2526 domain=any.where to=127.0.0.1 port=2526");
}

TEST_CASE("route: domains share a site by their host, unless one of them needs TLS") {
  const Router router({
      {"a.test", HostPort{"hub", 25}, false},
      {"b.test", HostPort{"hub", 25}, false},
      {"c.test", HostPort{"hub", 25}, true},
      {"d.test", HostPort{"hub", 26}, false},
  });
  CHECK(router.route("a.test").site == router.route("b.test").site);
  CHECK(router.route("a.test").site != router.route("c.test").site);
  CHECK(router.route("a.test").site != router.route("d.test").site);
}
