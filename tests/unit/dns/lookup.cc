// Lookup by hand: what is asked, what of the hosts is used, in what order, and what DNSSEC says of them.
#include "mta/dns/lookup.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "mta/dns/screen.h"
#include "tests/unit/dns/dns_server.h"

using namespace relay;
using namespace relay::dns;
using test::DnsServer;
using Status = MailHosts::Status;
using Names = std::vector<std::string>;

namespace {

struct World {
  Lookup::Settings settings;
  SeededRng rng{1};
  std::map<std::pair<std::string, Type>, Answer> answers;  // missing: no data, as secure as `secure`
  std::set<std::pair<std::string, Type>> silent;
  std::vector<Question> asked;
  bool secure = false;

  World() { settings.rules.guard = AddressGuard({"192.0.2.0/24", "2001:db8::/32"}); }

  Answer& put(const std::string& name, Type type, const std::vector<std::string>& data) {
    Answer& answer = answers[{name, type}];
    answer.status = Answer::Status::data;
    for (const auto& one : data) answer.data.push_back(type == Type::mx ? one : DnsServer::address(one));
    answer.secure = secure;
    return answer;
  }
  void mx(const std::string& domain, const std::vector<std::pair<unsigned, std::string>>& records) {
    std::vector<std::string> data;
    for (const auto& [preference, host] : records) data.push_back(DnsServer::mx(preference, host));
    put(domain, Type::mx, data);
  }
  void fails(const std::string& name, Type type, bool bogus = false) {
    Answer& answer = answers[{name, type}];
    answer.status = Answer::Status::failed;
    answer.detail = bogus ? "DNSSEC validation failed" : "SERVFAIL";
    answer.bogus = bogus;
  }

  MailHosts find(const std::string& name, Lookup::Kind kind = Lookup::Kind::mail_hosts) {
    Lookup lookup(kind, name, settings);
    asked.clear();
    bool all = true;
    for (auto open = lookup.start(); !open.empty();) {
      const Question question = open.back();
      open.pop_back();
      asked.push_back(question);
      const std::pair key(question.name, question.type);
      if (silent.contains(key)) {
        all = false;
        continue;
      }
      Answer answer;
      answer.status = Answer::Status::no_data;
      answer.secure = secure;
      if (const auto found = answers.find(key); found != answers.end()) answer = found->second;
      for (auto& more : lookup.on_answer(question, answer, rng)) open.push_back(std::move(more));
    }
    CHECK(lookup.finished() == all);
    return lookup.result(!all);
  }
};

Names names(const MailHosts& found) {
  Names all;
  for (const Host& host : found.hosts) all.push_back(host.name);
  return all;
}

}  // namespace

TEST_CASE_FIXTURE(World, "a host's addresses alternate between the families, in random order within") {
  put("example.com", Type::aaaa, {"2001:db8::1", "2001:db8::2", "2001:db8::3"});
  put("example.com", Type::a, {"192.0.2.1"});
  for (const bool ipv6_first : {true, false}) {
    settings.rules.ipv6_first = ipv6_first;
    std::set<std::string> first_v6;
    for (int i = 0; i < 64; ++i) {
      const auto got = find("example.com").hosts.at(0).addresses;
      REQUIRE(got.size() == 4);
      CHECK(got[ipv6_first ? 1 : 0] == "192.0.2.1");
      first_v6.insert(got[ipv6_first ? 0 : 1]);
    }
    CHECK(first_v6.size() == 3);
  }
}

TEST_CASE_FIXTURE(World, "of very many addresses each is used at times") {
  settings.limits.addresses = 2;
  put("example.com", Type::a, {"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"});
  std::set<std::string> used;
  for (int i = 0; i < 64; ++i) {
    const auto got = find("example.com").hosts.at(0).addresses;
    CHECK(got.size() == 2);
    used.insert(got.begin(), got.end());
  }
  CHECK(used.size() == 4);
}

TEST_CASE_FIXTURE(World, "hosts no more preferred than this relay are not tried") {
  settings.rules.own_names = {"relay.example"};
  for (const auto* host : {"a.example", "b.example", "c.example", "d.example"})
    put(host, Type::a, {"192.0.2.1"});

  mx("example.com", {{10, "a.example"}, {20, "b.example"}, {20, "Relay.EXAMPLE"}, {30, "c.example"}});
  CHECK(names(find("example.com")) == Names{"a.example"});

  // Its own address need not be known for that, and is not asked for.
  mx("first.example", {{10, "relay.example"}, {10, "a.example"}, {20, "b.example"}});
  const auto first = find("first.example");
  CHECK(first.status == Status::loop);
  CHECK(first.detail == "no mail host of first.example is preferred to this relay");
  CHECK(asked.size() == 1);

  CHECK(find("Relay.example").status == Status::loop);  // implicit MX
  CHECK(find("other.example").status == Status::no_domain);
  mx("relay.example", {{10, "a.example"}});
  CHECK(names(find("relay.example")) == Names{"a.example"});

  // What is preferred has no address: still no reason to go to those behind.
  mx("bare.example", {{10, "e.example"}, {20, "relay.example"}, {30, "a.example"}});
  CHECK(find("bare.example").status == Status::loop);
  fails("e.example", Type::a);
  CHECK(find("bare.example").status == Status::temporary);
}

TEST_CASE_FIXTURE(World, "the same by address") {
  settings.rules.own_addresses = {"192.0.2.9", "2001:db8::9"};
  settings.rules.guard = AddressGuard({"192.0.2.1", "192.0.2.2"});
  put("a.example", Type::a, {"192.0.2.1"});
  put("b.example", Type::a, {"192.0.2.2"});
  put("own.example", Type::aaaa, {"2001:db8::9"});
  mx("example.com", {{10, "a.example"}, {20, "own.example"}, {30, "b.example"}});
  const auto some = find("example.com");
  CHECK(names(some) == Names{"a.example"});
  CHECK(some.detail == "own.example is this relay itself");
  mx("first.example", {{10, "own.example"}, {10, "a.example"}});
  CHECK(find("first.example").status == Status::loop);
  CHECK(find("[192.0.2.9]").status == Status::loop);
  CHECK(find("[IPv6:2001:db8::9]").status == Status::loop);
  CHECK(find("[IPv6:::ffff:192.0.2.9]").status == Status::loop);
  // A route may name it, and so may what is allowed: another server of this machine.
  CHECK(find("own.example", Lookup::Kind::addresses).status == Status::ok);
  settings.rules.guard = AddressGuard({"192.0.2.0/24", "2001:db8::9"});
  CHECK(find("first.example").hosts.size() == 2);
}

TEST_CASE_FIXTURE(World, "hosts without an address that mail is sent to") {
  mx("example.com", {{10, "a.example"}, {20, "b.example"}});
  put("a.example", Type::a, {"10.0.0.1", "192.0.2.1"});
  put("b.example", Type::aaaa, {"fe80::1", "::ffff:127.0.0.1"});
  const auto some = find("example.com");
  CHECK(names(some) == Names{"a.example"});
  CHECK(some.hosts[0].addresses == Names{"192.0.2.1"});
  CHECK(some.detail.contains("a.example has 10.0.0.1, a private address"));
  CHECK(some.detail.contains("b.example has fe80::1, a link-local address"));
  CHECK(some.detail.contains("b.example has ::ffff:127.0.0.1, a loopback address"));

  mx("inside.example", {{10, "b.example"}, {20, "c.example"}});
  const auto none = find("inside.example");
  CHECK(none.status == Status::refused);
  CHECK(none.detail.starts_with("no mail host of inside.example has an address that mail is sent to; b.ex"));
  fails("c.example", Type::aaaa);
  CHECK(find("inside.example").status == Status::temporary);

  CHECK(find("[127.0.0.1]").status == Status::refused);
  CHECK(find("[IPv6:::1]").status == Status::refused);
  CHECK(find("127.0.0.1", Lookup::Kind::addresses).status == Status::ok);
}

TEST_CASE_FIXTURE(World, "bogus is told apart") {
  fails("forged.example", Type::mx, true);
  const auto forged = find("forged.example");
  CHECK(forged.status == Status::temporary);
  CHECK(forged.bogus);
  fails("broken.example", Type::mx);
  CHECK_FALSE(find("broken.example").bogus);
  mx("half.example", {{10, "a.example"}});
  fails("a.example", Type::a, true);
  CHECK(find("half.example").bogus);
  put("a.example", Type::aaaa, {"2001:db8::1"});
  CHECK(find("half.example").status == Status::ok);
  CHECK_FALSE(find("half.example").bogus);
}

TEST_CASE_FIXTURE(World, "what DNSSEC has validated, and where TLSA records may stand") {
  settings.validated = true;
  struct Case {
    const char* what;
    bool mx_secure, address_secure, alias, alias_secure;
    bool host_secure;
    Names bases;
    bool asks_alias;
  };
  const Case cases[] = {
      {"all signed", true, true, false, false, true, {"mx.example"}, false},
      {"a signed alias to a signed name",
       true,
       true,
       true,
       true,
       true,
       {"real.example", "mx.example"},
       false},
      {"a signed alias to an unsigned name", true, false, true, true, false, {"mx.example"}, true},
      {"an unsigned alias", true, false, true, false, false, {}, true},
      {"unsigned addresses", true, false, false, false, false, {}, false},
      {"unsigned MX", false, false, true, true, false, {}, false},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    answers.clear();
    mx("example.com", {{10, "mx.example"}});
    answers[{"example.com", Type::mx}].secure = c.mx_secure;
    Answer& address = put("mx.example", Type::a, {"192.0.2.1"});
    address.secure = c.address_secure;
    Answer& no_v6 = answers[{"mx.example", Type::aaaa}];
    no_v6.status = Answer::Status::no_data;
    no_v6.secure = c.address_secure;
    if (c.alias) {
      address.canonical = "real.example";
      answers[{"mx.example", Type::cname}] = {Answer::Status::data, {}, "", c.alias_secure};
    }
    const auto got = find("example.com");
    CHECK(got.secure == c.mx_secure);
    REQUIRE(got.hosts.size() == 1);
    CHECK(got.hosts[0].secure == c.host_secure);
    CHECK(got.hosts[0].tlsa_bases == c.bases);
    CHECK((std::ranges::find(asked, Question{"mx.example", Type::cname}) != asked.end()) == c.asks_alias);
  }
}

TEST_CASE_FIXTURE(World, "a secure answer that there is no MX is as good as one") {
  secure = true;
  put("example.com", Type::a, {"192.0.2.1"});
  const auto got = find("example.com");
  CHECK(got.secure);
  CHECK(got.hosts.at(0).tlsa_bases == Names{"example.com"});
  // A literal promises nothing.
  const auto literal = find("[192.0.2.1]");
  CHECK_FALSE(literal.secure);
  CHECK_FALSE(literal.hosts.at(0).secure);
  CHECK(literal.hosts.at(0).tlsa_bases.empty());
}

TEST_CASE_FIXTURE(World, "whoever suppresses answers wins nothing by it") {
  mx("example.com", {{10, "mx.example"}});
  answers[{"example.com", Type::mx}].secure = true;
  put("mx.example", Type::a, {"192.0.2.1"}).canonical = "real.example";
  SUBCASE("that about the alias") { silent = {{"mx.example", Type::cname}}; }
  SUBCASE("the other family's") { silent = {{"mx.example", Type::aaaa}}; }
  SUBCASE("with a failure") { fails("mx.example", Type::cname); }
  const auto got = find("example.com");
  CHECK(got.status == Status::temporary);
  CHECK(got.hosts.empty());
}
