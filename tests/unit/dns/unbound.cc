// UnboundResolver against a scripted name server: every status, both questions, time-out and destruction.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>

#include "mta/dns/resolver.h"
#include "tests/unit/dns/dns_server.h"
#include "tests/unit/support/test_loop.h"

using namespace relay;
using namespace relay::dns;
using test::DnsServer;
using Status = MailHosts::Status;

namespace {

struct Fixture {
  DnsServer server;
  test::TestLoop loop;
  UnboundSettings settings;
  std::unique_ptr<Resolver> resolver;

  Fixture() {
    settings.servers = {server.server()};
    settings.hosts_file.clear();
    settings.validation = Validation::no;
    settings.rules.guard = AddressGuard({"192.0.2.0/24", "2001:db8::/32"});
  }
  void open(std::uint64_t seed = 1) {
    auto made = make_unbound(settings, loop, seed);
    REQUIRE(made.has_value());
    resolver = *std::move(made);
  }
  void address(const std::string& name, const std::string& text) {
    server.on(name, Type::a, {.rcode = 0, .data = {}, .silent = false});
    server.on(name, Type::aaaa, {.rcode = 0, .data = {}, .silent = false});
    if (!text.empty())
      server.on(name, text.contains(':') ? Type::aaaa : Type::a,
                {.rcode = 0, .data = {DnsServer::address(text)}, .silent = false});
  }
  MailHosts wait(bool mail, const std::string& name) {
    if (!resolver) open();
    const auto timers = loop.timers();
    std::optional<MailHosts> got;
    auto done = [&](MailHosts hosts) {
      CHECK_FALSE(got.has_value());
      got = std::move(hosts);
    };
    if (mail)
      resolver->mail_hosts(name, done);
    else
      resolver->addresses(name, done);
    CHECK_FALSE(got.has_value());
    REQUIRE(loop.run_until([&] { return got.has_value(); }));
    CHECK(loop.timers() == timers);
    return *got;
  }
  MailHosts mail(const std::string& name) { return wait(true, name); }
  MailHosts addresses(const std::string& name) { return wait(false, name); }
  void mx(const std::string& name, std::vector<std::string> data) {
    server.on(name, Type::mx, {.rcode = 0, .data = std::move(data), .silent = false});
  }
  void rcode(const std::string& name, Type type, int code) {
    server.on(name, type, {.rcode = code, .data = {}, .silent = false});
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "MX hosts come by preference, with their addresses") {
  mx("example.com", {DnsServer::mx(20, "b.example.net"), DnsServer::mx(10, "A.example.net")});
  address("a.example.net", "192.0.2.1");
  address("b.example.net", "2001:db8::2");
  server.on("b.example.net", Type::a,
            {.rcode = 0, .data = {DnsServer::address("192.0.2.2")}, .silent = false});
  const auto got = mail("Example.COM");
  CHECK(got.status == Status::ok);
  REQUIRE(got.hosts.size() == 2);
  CHECK(got.hosts[0].name == "a.example.net");
  CHECK(got.hosts[0].preference == 10);
  CHECK(got.hosts[0].addresses == std::vector<std::string>{"192.0.2.1"});
  CHECK(got.hosts[1].name == "b.example.net");
  CHECK(got.hosts[1].addresses == std::vector<std::string>{"2001:db8::2", "192.0.2.2"});
  // The second time from the cache.
  CHECK(mail("example.com").status == Status::ok);
  CHECK(server.asked("example.com", Type::mx) == 1);
}

TEST_CASE_FIXTURE(Fixture, "equal preferences come in every order") {
  mx("example.com", {DnsServer::mx(10, "a.example.net"), DnsServer::mx(10, "b.example.net")});
  address("a.example.net", "192.0.2.1");
  address("b.example.net", "192.0.2.2");
  bool a_first = false, b_first = false;
  for (int i = 0; i < 64; ++i) (mail("example.com").hosts.at(0).name[0] == 'a' ? a_first : b_first) = true;
  CHECK(a_first);
  CHECK(b_first);
}

TEST_CASE_FIXTURE(Fixture, "implicit MX") {
  mx("example.com", {});
  address("example.com", "192.0.2.1");
  const auto got = mail("example.com");
  CHECK(got.status == Status::ok);
  REQUIRE(got.hosts.size() == 1);
  CHECK(got.hosts[0].name == "example.com");
  CHECK(got.hosts[0].preference == 0);
  CHECK(got.hosts[0].addresses == std::vector<std::string>{"192.0.2.1"});
}

TEST_CASE_FIXTURE(Fixture, "null MX") {
  mx("example.com", {DnsServer::mx(0, "")});
  const auto got = mail("example.com");
  CHECK(got.status == Status::null_mx);
  CHECK(got.hosts.empty());
}

TEST_CASE_FIXTURE(Fixture, "a null MX beside another host is no host") {
  mx("example.com", {DnsServer::mx(0, ""), DnsServer::mx(5, "a.example.net")});
  address("a.example.net", "192.0.2.1");
  const auto got = mail("example.com");
  CHECK(got.status == Status::ok);
  CHECK(got.hosts.size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "no domain") {
  rcode("nx.example", Type::mx, 3);
  CHECK(mail("nx.example").status == Status::no_domain);

  mx("empty.example", {});
  address("empty.example", "");
  const auto empty = mail("empty.example");
  CHECK(empty.status == Status::no_domain);
  CHECK(empty.detail == "empty.example has neither MX nor address");

  // RFC 5321 5.1: MX records of which none is usable are an error, not implicit MX.
  mx("dangling.example", {DnsServer::mx(10, "gone.example")});
  rcode("gone.example", Type::a, 3);
  rcode("gone.example", Type::aaaa, 3);
  address("dangling.example", "192.0.2.1");
  CHECK(mail("dangling.example").status == Status::no_domain);
  CHECK(server.asked("dangling.example", Type::a) == 0);
}

TEST_CASE_FIXTURE(Fixture, "failures are temporary") {
  rcode("fail.example", Type::mx, 2);
  const auto failed = mail("fail.example");
  CHECK(failed.status == Status::temporary);
  CHECK(failed.detail == "MX look-up of fail.example: SERVFAIL");
  CHECK(mail("unscripted.example").status == Status::temporary);

  mx("half.example", {DnsServer::mx(10, "broken.example")});
  rcode("broken.example", Type::a, 0);
  rcode("broken.example", Type::aaaa, 2);
  CHECK(mail("half.example").status == Status::temporary);
}

TEST_CASE_FIXTURE(Fixture, "a host that fails does not hide one that answers") {
  mx("example.com", {DnsServer::mx(10, "broken.example"), DnsServer::mx(20, "good.example"),
                     DnsServer::mx(30, "bare.example")});
  rcode("broken.example", Type::a, 2);
  rcode("broken.example", Type::aaaa, 2);
  address("good.example", "192.0.2.1");
  address("bare.example", "");
  const auto got = mail("example.com");
  CHECK(got.status == Status::ok);
  REQUIRE(got.hosts.size() == 1);
  CHECK(got.hosts[0].name == "good.example");
  CHECK(got.detail.contains("broken.example: SERVFAIL"));
  CHECK(got.detail.contains("bare.example has no address"));
}

TEST_CASE_FIXTURE(Fixture, "hosts and addresses are bounded") {
  settings.limits = {.hosts = 2, .addresses = 3};
  std::vector<std::string> records, many;
  for (unsigned i = 0; i < 5; ++i) {
    records.push_back(DnsServer::mx(i, "m" + std::to_string(i) + ".example"));
    many.push_back(DnsServer::address("192.0.2." + std::to_string(i)));
  }
  mx("example.com", records);
  for (int i = 0; i < 2; ++i) {
    const auto name = "m" + std::to_string(i) + ".example";
    address(name, "");
    server.on(name, Type::a, {.rcode = 0, .data = many, .silent = false});
  }
  const auto got = mail("example.com");
  CHECK(got.status == Status::ok);
  REQUIRE(got.hosts.size() == 2);
  CHECK(got.hosts[0].addresses.size() == 3);
  CHECK(got.detail.contains("first 2 MX hosts"));
}

TEST_CASE_FIXTURE(Fixture, "addresses of a host") {
  address("relay.test", "192.0.2.5");  // the reserved name is the network's own affair
  const auto got = addresses("relay.test");
  CHECK(got.status == Status::ok);
  REQUIRE(got.hosts.size() == 1);
  CHECK(got.hosts[0].addresses == std::vector<std::string>{"192.0.2.5"});
  rcode("gone.example", Type::a, 3);
  rcode("gone.example", Type::aaaa, 3);
  CHECK(addresses("gone.example").detail == "host gone.example does not exist");
  address("bare.example", "");
  CHECK(addresses("bare.example").detail == "bare.example has no address");
  CHECK(addresses("bare.example").status == Status::no_domain);
}

TEST_CASE_FIXTURE(Fixture, "literals and unusable names ask nobody") {
  CHECK(addresses("2001:db8::1").hosts.at(0).addresses.at(0) == "2001:db8::1");
  const auto literal = mail("[192.0.2.1]");
  CHECK(literal.status == Status::ok);
  CHECK(literal.hosts.at(0).addresses == std::vector<std::string>{"192.0.2.1"});
  for (const auto* name : {"", ".", "a..b", "a b", "[300.0.0.1]"}) {
    CAPTURE(name);
    CHECK(mail(name).status == Status::no_domain);
  }
}

TEST_CASE_FIXTURE(Fixture, "the hosts file counts for hosts, not for domains") {
  settings.hosts_file = "relay_dns_test_hosts." + std::to_string(getpid());
  std::ofstream(settings.hosts_file) << "192.0.2.9 Mailhog example.com\n";
  mx("example.com", {DnsServer::mx(10, "a.example.net")});
  address("a.example.net", "192.0.2.1");
  CHECK(addresses("mailHog").hosts.at(0).addresses.at(0) == "192.0.2.9");
  CHECK(mail("example.com").hosts.at(0).addresses.at(0) == "192.0.2.1");
  unlink(settings.hosts_file.c_str());
}

TEST_CASE_FIXTURE(Fixture, "a look-up without answer is temporary after its time") {
  server.on("slow.example", Type::mx, {.rcode = 0, .data = {}, .silent = true});
  open();
  std::optional<MailHosts> got;
  resolver->mail_hosts("slow.example", [&](MailHosts hosts) { got = std::move(hosts); });
  loop.run();
  loop.advance(settings.timeout - std::chrono::milliseconds(1));
  CHECK_FALSE(got.has_value());
  loop.advance(std::chrono::milliseconds(1));
  REQUIRE(got.has_value());
  CHECK(got->status == Status::temporary);
  CHECK(got->detail == "the look-up of slow.example timed out");
}

TEST_CASE_FIXTURE(Fixture, "at the time-out, hosts found by then are used") {
  mx("example.com", {DnsServer::mx(10, "slow.example"), DnsServer::mx(20, "good.example")});
  server.on("slow.example", Type::a, {.rcode = 0, .data = {}, .silent = true});
  server.on("slow.example", Type::aaaa, {.rcode = 0, .data = {}, .silent = true});
  address("good.example", "192.0.2.1");
  CHECK(addresses("good.example").status == Status::ok);  // now cached
  std::optional<MailHosts> got;
  resolver->mail_hosts("example.com", [&](MailHosts hosts) { got = std::move(hosts); });
  // Each of these is one turn through libunbound; after the last, what it had in its cache has come.
  while (server.asked("slow.example", Type::a) == 0 || server.asked("slow.example", Type::aaaa) == 0)
    CHECK(addresses("good.example").status == Status::ok);
  CHECK(addresses("good.example").status == Status::ok);
  CHECK_FALSE(got.has_value());
  loop.advance(settings.timeout);
  REQUIRE(got.has_value());
  CHECK(got->status == Status::ok);
  REQUIRE(got->hosts.size() == 1);
  CHECK(got->hosts[0].name == "good.example");
}

TEST_CASE_FIXTURE(Fixture, "answers after destruction are dropped") {
  mx("example.com", {DnsServer::mx(10, "a.example.net")});
  address("a.example.net", "192.0.2.1");
  server.on("slow.example", Type::mx, {.rcode = 0, .data = {}, .silent = true});
  for (int i = 0; i < 20; ++i) {
    open();
    bool called = false;
    for (const auto* name : {"example.com", "slow.example", "", "[192.0.2.1]"})
      resolver->mail_hosts(name, [&](MailHosts) { called = true; });
    if (i % 2) loop.run_until([&] { return called; });
    resolver.reset();
    called = false;
    loop.run();
    CHECK_FALSE(called);
    CHECK(loop.timers() == 0);
  }
}

TEST_CASE_FIXTURE(Fixture, "a callback may destroy the resolver") {
  rcode("nx.example", Type::mx, 3);
  open();
  bool called = false;
  resolver->mail_hosts("nx.example", [&](MailHosts) {
    resolver.reset();
    called = true;
  });
  CHECK(loop.run_until([&] { return called; }));
  loop.run();
}

TEST_CASE_FIXTURE(Fixture, "many look-ups at once") {
  for (int i = 0; i < 200; ++i) {
    const auto name = "d" + std::to_string(i) + ".example";
    mx(name, {});
    address(name, "192.0.2." + std::to_string(i));
  }
  open();
  int good = 0;
  for (int i = 0; i < 200; ++i)
    resolver->mail_hosts("d" + std::to_string(i) + ".example", [&good, i](MailHosts hosts) {
      good +=
          hosts.status == Status::ok && hosts.hosts.at(0).addresses.at(0) == "192.0.2." + std::to_string(i);
    });
  CHECK(loop.run_until([&] { return good == 200; }));
}

TEST_CASE("settings that cannot be used are refused") {
  test::TestLoop loop;
  UnboundSettings settings;
  settings.servers = {"not an address"};
  auto made = make_unbound(settings, loop, 1);
  REQUIRE_FALSE(made.has_value());
  CHECK(made.error().code == Errc::invalid);
  CHECK(made.error().message.contains("not an address"));
  const auto refused = [&](const UnboundSettings& wrong, const std::string& what) {
    made = make_unbound(wrong, loop, 1);
    CAPTURE(what);
    REQUIRE_FALSE(made.has_value());
    CHECK(made.error().code == Errc::invalid);
    CHECK(made.error().message.contains(what));
  };
  settings.servers = {"127.0.0.1"};
  settings.trust_anchor_file = "/nonexistent/root.key";
  settings.validation = Validation::yes;
  refused(settings, "/nonexistent/root.key");
  settings.trust_anchor_file.clear();
  settings.trust_anchors = {"example.com. DS nonsense"};
  refused(settings, "anchor");
  settings.trust_anchors.clear();
  settings.zones = {{"a zone", {"127.0.0.1"}}};
  refused(settings, "a zone");
  settings.zones = {{"zone.example", {"127.0.0.1\n  x: y"}}};
  refused(settings, "127.0.0.1");
  settings.zones = {{"zone.example", {"127.0.0.1@"}}};
  refused(settings, "127.0.0.1@");
  settings.zones.clear();
  settings.insecure_zones = {"x\"y"};
  refused(settings, "is no domain");
  settings.insecure_zones = {"zone.example", "."};
  settings.zones = {{"zone.example", {"127.0.0.1@5353", "::1"}}, {"home.arpa", {"127.0.0.1"}, true}};
  CHECK(make_unbound(settings, loop, 1).has_value());
}

TEST_CASE_FIXTURE(Fixture, "zones have servers of their own") {
  DnsServer corporate, authoritative;
  corporate.on("example.corp", Type::mx, {.rcode = 0, .data = {DnsServer::mx(0, "")}, .silent = false});
  settings.zones = {{"corp", {corporate.server()}}};
  CHECK(mail("example.corp").status == Status::null_mx);
  CHECK(server.asked("example.corp", Type::mx) == 0);
  CHECK(corporate.asked("example.corp", Type::mx) == 1);
}

TEST_CASE_FIXTURE(Fixture, "addresses that mail is not sent to") {
  mx("example.com", {DnsServer::mx(10, "a.example.net"), DnsServer::mx(20, "b.example.net")});
  address("a.example.net", "127.0.0.1");
  address("b.example.net", "10.0.0.1");
  const auto got = mail("example.com");
  CHECK(got.status == Status::refused);
  CHECK(got.detail.contains("a.example.net has 127.0.0.1, a loopback address"));
  CHECK(got.detail.contains("b.example.net has 10.0.0.1, a private address"));
  CHECK(mail("[127.0.0.1]").status == Status::refused);
  // A route to the same host is the administrator's word.
  CHECK(addresses("a.example.net").hosts.at(0).addresses.at(0) == "127.0.0.1");
}

TEST_CASE_FIXTURE(Fixture, "TLSA records") {
  const std::string digest(32, 'd');
  server.on("_25._tcp.mx.example", Type::tlsa,
            {.rcode = 0,
             .data = {std::string("\x03\x01\x01") + digest, std::string("\x09\x01\x01") + digest},
             .silent = false});
  rcode("_25._tcp.broken.example", Type::tlsa, 2);
  rcode("_465._tcp.none.example", Type::tlsa, 3);
  open();
  std::vector<TlsaRecords> got;
  const auto timers = loop.timers();
  resolver->tlsa("mx.example", 25, [&](TlsaRecords r) { got.push_back(std::move(r)); });
  CHECK(got.empty());
  REQUIRE(loop.run_until([&] { return got.size() == 1; }));
  CHECK(got[0].status == Answer::Status::data);
  CHECK_FALSE(got[0].secure);
  REQUIRE(got[0].records.size() == 1);
  CHECK(got[0].records[0].data == digest);
  CHECK(got[0].unusable == 1);
  resolver->tlsa("broken.example", 25, [&](TlsaRecords r) { got.push_back(std::move(r)); });
  REQUIRE(loop.run_until([&] { return got.size() == 2; }));
  CHECK(got[1].status == Answer::Status::failed);
  CHECK(got[1].detail == "SERVFAIL");
  resolver->tlsa("none.example", 465, [&](TlsaRecords r) { got.push_back(std::move(r)); });
  REQUIRE(loop.run_until([&] { return got.size() == 3; }));
  CHECK(got[2].status == Answer::Status::no_domain);
  resolver->tlsa("not a name", 25, [&](TlsaRecords r) { got.push_back(std::move(r)); });
  CHECK(got.size() == 3);
  REQUIRE(loop.run_until([&] { return got.size() == 4; }));
  CHECK(got[3].status == Answer::Status::no_domain);
  CHECK(loop.timers() == timers);
}

TEST_CASE_FIXTURE(Fixture, "texts, and their time-out") {
  server.on("_mta-sts.example.com", Type::txt,
            {.rcode = 0, .data = {"\x09v=STSv1; \x05id=1;", "\x01x", "\x09"}, .silent = false});
  server.on("slow.example", Type::txt, {.rcode = 0, .data = {}, .silent = true});
  open();
  std::vector<Texts> got;
  resolver->txt("_mta-sts.example.com", [&](Texts t) { got.push_back(std::move(t)); });
  REQUIRE(loop.run_until([&] { return got.size() == 1; }));
  CHECK(got[0].status == Answer::Status::data);
  std::ranges::sort(got[0].texts);
  CHECK(got[0].texts == std::vector<std::string>{"v=STSv1; id=1;", "x"});
  resolver->txt("slow.example", [&](Texts t) { got.push_back(std::move(t)); });
  loop.run();
  loop.advance(settings.timeout);
  REQUIRE(got.size() == 2);
  CHECK(got[1].status == Answer::Status::failed);
  CHECK(got[1].detail == "timed out");
}

TEST_CASE_FIXTURE(Fixture, "whether a domain has a null MX") {
  mx("null.example", {DnsServer::mx(0, "")});
  mx("both.example", {DnsServer::mx(0, ""), DnsServer::mx(5, "a.example")});
  mx("usual.example", {DnsServer::mx(5, "a.example")});
  rcode("broken.example", Type::mx, 2);
  open();
  for (const auto& [name, expected] : std::map<std::string, bool>{{"null.example", true},
                                                                  {"both.example", false},
                                                                  {"usual.example", false},
                                                                  {"broken.example", false},
                                                                  {"not a name", false}}) {
    CAPTURE(name);
    std::optional<bool> got;
    resolver->null_mx(name, [&](bool is) { got = is; });
    CHECK_FALSE(got.has_value());
    REQUIRE(loop.run_until([&] { return got.has_value(); }));
    CHECK(*got == expected);
  }
}

TEST_CASE_FIXTURE(Fixture, "behind a server without DNSSEC nothing is validated, after a try") {
  settings.validation = Validation::automatic;
  settings.trust_anchor_file = "/usr/share/dns/root.key";
  server.on(".", Type::ns, {.rcode = 0, .data = {DnsServer::wire("ns.example")}, .silent = false});
  server.on("", Type::ns, {.rcode = 0, .data = {DnsServer::wire("ns.example")}, .silent = false});
  mx("null.example", {DnsServer::mx(0, "")});
  const auto got = [&] {
    open();
    std::optional<MailHosts> result;
    resolver->mail_hosts("null.example", [&](MailHosts hosts) { result = std::move(hosts); });
    REQUIRE(loop.run_until([&] { return result.has_value(); }));
    return *result;
  }();
  CHECK(got.status == Status::null_mx);
  CHECK_FALSE(got.secure);
  CHECK(loop.timers() == 1);  // the next try
  const int before = server.asked("", Type::ns);
  CHECK(before > 0);
  loop.advance(settings.probe_pause);
  CHECK(mail("null.example").status == Status::null_mx);
  resolver.reset();
  CHECK(loop.timers() == 0);

  settings.validation = Validation::yes;
  open();
  const auto strict = mail("null.example");
  CHECK(strict.status == Status::temporary);
  CHECK(strict.bogus);
  CHECK(strict.detail.contains("DNSSEC validation failed"));
}

TEST_CASE_FIXTURE(Fixture, "questions wait for the try, but not for long") {
  settings.validation = Validation::automatic;
  server.on("", Type::ns, {.rcode = 0, .data = {}, .silent = true});
  mx("null.example", {DnsServer::mx(0, "")});
  open();
  std::optional<MailHosts> got;
  resolver->mail_hosts("null.example", [&](MailHosts hosts) { got = std::move(hosts); });
  loop.run();
  CHECK(server.asked("null.example", Type::mx) == 0);
  loop.advance(settings.probe_timeout);
  REQUIRE(loop.run_until([&] { return got.has_value(); }));
  CHECK(got->status == Status::null_mx);
}

TEST_CASE_FIXTURE(Fixture, "without the file of the root's keys nothing is validated") {
  settings.validation = Validation::automatic;
  settings.trust_anchor_file = "/nonexistent/root.key";
  mx("null.example", {DnsServer::mx(0, "")});
  CHECK(mail("null.example").status == Status::null_mx);
  CHECK(server.asked("", Type::ns) == 0);
}
