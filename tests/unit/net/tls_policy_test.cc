// What a client's policy makes of the certificates that hosts show, and of the versions they have.
#include <doctest/doctest.h>

#include "mta/net/tls.h"
#include "mta/net/tls_impl.h"
#include "tests/unit/net/authority.h"

namespace relay::net {
namespace {

using test::Issued;
using wire::TlsLevel;
using wire::TlsProblem;
using wire::TlsVerified;

struct Outcome {
  std::optional<wire::TlsInfo> info;  // of an established session
  std::string error;
  std::optional<TlsProblem> problem;
};

// A handshake, and what a server sends after it.
Outcome shake(const std::shared_ptr<TlsContext>& context, const std::shared_ptr<TlsContext>& server_context,
              const TlsRemote& remote, Instant now = {}) {
  auto server = TlsEngine::make_server(server_context);
  auto client = TlsEngine::make_client(context, remote, now);
  Outcome outcome;
  for (int turn = 0; turn < 4; ++turn) {
    if (auto fed = server->feed(client->to_wire()); !fed && outcome.error.empty())
      outcome.error = "server: " + fed.error().message;
    if (auto fed = client->feed(server->to_wire()); !fed) {
      outcome.error = fed.error().message;
      outcome.problem = client->problem();
      return outcome;
    }
  }
  if (client->established() && server->established()) outcome.info = client->info();
  client->close();
  return outcome;
}

// A root, an intermediate and hosts below them; the client trusts the root.
struct World {
  test::TemporaryDirectory directory;
  Issued root{{.common_name = "Root", .authority = true}};
  Issued middle{{.common_name = "Middle", .authority = true}, &root};
  Issued stranger{{.common_name = "Stranger", .authority = true}};
  std::shared_ptr<TlsContext> client =
      test::client_context({.roots_file = test::pem_file(directory, "roots.pem", root.pem())});

  Outcome shake(const Issued& host, const std::vector<const Issued*>& chain, wire::TlsPolicy policy) {
    return net::shake(client, test::server_showing(directory, host, chain),
                      {"mail.example", "[192.0.2.1]:25", std::move(policy)});
  }
};

constexpr long expired = -86400;

TEST_CASE("verify: the certificate must be trusted, in time, for the purpose, and of the name") {
  World w;
  const test::Issue good{.common_name = "x", .names = "DNS:mail.example"};
  const struct {
    std::string_view what;
    test::Issue host;
    const Issued* by;
    std::vector<const Issued*> chain;
    std::vector<std::string> names;
    std::optional<TlsProblem> problem;
  } cases[] = {
      {"match", good, &w.root, {}, {}, {}},
      {"match, given", good, &w.root, {}, {"mail.example"}, {}},
      {"match, one of several", good, &w.root, {}, {"other.example", "MAIL.example"}, {}},
      {"another name", good, &w.root, {}, {"other.example"}, TlsProblem::certificate_host_mismatch},
      {"any host one label below", good, &w.root, {}, {"*.example"}, {}},
      {"not two labels below",
       {.common_name = "x", .names = "DNS:a.b.example"},
       &w.root,
       {},
       {"*.example"},
       TlsProblem::certificate_host_mismatch},
      {"not the domain itself",
       {.common_name = "x", .names = "DNS:b.example"},
       &w.root,
       {},
       {"*.b.example"},
       TlsProblem::certificate_host_mismatch},
      {"wildcard in the certificate",
       {.common_name = "x", .names = "DNS:*.b.example"},
       &w.root,
       {},
       {"mail.b.example"},
       {}},
      {"wildcard in the certificate, not two labels deep",
       {.common_name = "x", .names = "DNS:*.b.example"},
       &w.root,
       {},
       {"a.mail.b.example"},
       TlsProblem::certificate_host_mismatch},
      {"wildcard for part of a label",
       {.common_name = "x", .names = "DNS:m*.b.example"},
       &w.root,
       {},
       {"mail.b.example"},
       TlsProblem::certificate_host_mismatch},
      {"wildcards on both sides",
       {.common_name = "x", .names = "DNS:*.b.example"},
       &w.root,
       {},
       {"*.b.example"},
       {}},
      {"the common name is none (RFC 9525)",
       {.common_name = "mail.example"},
       &w.root,
       {},
       {},
       TlsProblem::certificate_host_mismatch},
      {"an address", {.common_name = "x", .names = "IP:192.0.2.1"}, &w.root, {}, {"192.0.2.1"}, {}},
      {"another address",
       {.common_name = "x", .names = "IP:192.0.2.1"},
       &w.root,
       {},
       {"192.0.2.2"},
       TlsProblem::certificate_host_mismatch},
      {"no usable name", good, &w.root, {}, {""}, TlsProblem::certificate_host_mismatch},
      {"expired",
       {.common_name = "x", .names = "DNS:mail.example", .ends_s = expired},
       &w.root,
       {},
       {},
       TlsProblem::certificate_expired},
      {"self-signed", good, nullptr, {}, {}, TlsProblem::certificate_not_trusted},
      {"by a stranger", good, &w.stranger, {&w.stranger}, {}, TlsProblem::certificate_not_trusted},
      {"intermediate shown", good, &w.middle, {&w.middle}, {}, {}},
      {"intermediate not shown", good, &w.middle, {}, {}, TlsProblem::certificate_not_trusted},
      {"for clients",
       {.common_name = "x", .names = "DNS:mail.example", .usage = "clientAuth"},
       &w.root,
       {},
       {},
       TlsProblem::certificate_not_trusted},
  };
  for (const auto& c : cases) {
    CAPTURE(c.what);
    const Issued host(c.host, c.by);
    const Outcome outcome = w.shake(host, c.chain, {.level = TlsLevel::verify, .names = c.names});
    CAPTURE(outcome.error);
    CHECK(outcome.problem == c.problem);
    REQUIRE(outcome.info.has_value() == !c.problem.has_value());
    if (outcome.info) {
      CHECK(outcome.info->verified == TlsVerified::name);
      CHECK_FALSE(outcome.info->unverified);
      CHECK(outcome.info->peer_sha256.size() == 64);
    } else {
      CHECK(outcome.error.starts_with("certificate: "));
    }
  }
}

TEST_CASE("encrypt and opportunistic take any certificate, and tell whose it is") {
  World w;
  const Issued host(
      {.common_name = "x", .names = "DNS:Other.example, DNS:*.other.example", .ends_s = expired});
  for (const TlsLevel level : {TlsLevel::opportunistic, TlsLevel::encrypt}) {
    const Outcome outcome = w.shake(host, {}, {.level = level});
    REQUIRE(outcome.info);
    CHECK(outcome.info->verified == TlsVerified::no);
    CHECK(outcome.info->peer_names == std::vector<std::string>{"other.example", "*.other.example"});
    CHECK_FALSE(outcome.info->unverified);
    CHECK(outcome.info->version == "TLSv1.3");
  }
}

// What a TLSA record is made of.
struct Tlsa {
  char of;  // h host, r root, m middle, x another key
  std::uint8_t usage, selector, matching;
};

TEST_CASE("dane: usage 3 by the record alone, usage 2 with names and time, others not at all") {
  World w;
  const test::Issue good{.common_name = "x", .names = "DNS:mail.example"};
  const test::Issue wrong{.common_name = "x", .names = "DNS:other.example", .ends_s = expired};
  const test::Issue old{.common_name = "x", .names = "DNS:mail.example", .ends_s = expired};
  const test::Issue elsewhere{.common_name = "x", .names = "DNS:other.example"};
  const auto& s = w.stranger;  // no root of the client's: only the records count
  enum class Ends { dane, unusable, mismatch, late, untrusted };
  using enum Ends;
  const struct {
    std::string_view what;
    test::Issue host;
    std::vector<const Issued*> chain;
    std::vector<Tlsa> records;
    std::vector<std::string> names;
    Ends ends;
  } cases[] = {
      {"3 1 1", good, {}, {{'h', 3, 1, 1}}, {}, dane},
      {"3 1 1, expired and of another name", wrong, {}, {{'h', 3, 1, 1}}, {}, dane},
      {"3 0 1", wrong, {}, {{'h', 3, 0, 1}}, {}, dane},
      {"3 1 2", wrong, {}, {{'h', 3, 1, 2}}, {}, dane},
      {"3 0 0", wrong, {}, {{'h', 3, 0, 0}}, {}, dane},
      {"3 1 1 of another key", good, {}, {{'x', 3, 1, 1}}, {}, untrusted},
      {"3 1 1 of the issuer's key", good, {&s}, {{'r', 3, 1, 1}}, {}, untrusted},
      {"3 1 1 amid others, as in a rollover", wrong, {}, {{'x', 3, 1, 1}, {'h', 3, 1, 1}}, {}, dane},
      {"2 0 1, the anchor shown", good, {&s}, {{'r', 2, 0, 1}}, {}, dane},
      {"2 1 1, the anchor shown", good, {&s}, {{'r', 2, 1, 1}}, {}, dane},
      {"2 0 1, the anchor not shown", good, {}, {{'r', 2, 0, 1}}, {}, untrusted},
      {"2 1 1, the anchor not shown", good, {}, {{'r', 2, 1, 1}}, {}, untrusted},
      {"2 0 0, which has the anchor itself", good, {}, {{'r', 2, 0, 0}}, {}, dane},
      {"2 1 0, which has its key", good, {}, {{'r', 2, 1, 0}}, {}, dane},
      {"2 1 1, another name", elsewhere, {&s}, {{'r', 2, 1, 1}}, {}, mismatch},
      {"2 1 1, of the second name",
       elsewhere,
       {&s},
       {{'r', 2, 1, 1}},
       {"mail.example", "other.example"},
       dane},
      {"2 1 1, expired", old, {&s}, {{'r', 2, 1, 1}}, {}, Ends::late},
      {"2 1 1 of another key", good, {&s}, {{'x', 2, 1, 1}}, {}, untrusted},
      {"1 1 1 alone", wrong, {}, {{'h', 1, 1, 1}}, {}, unusable},
      {"0 0 1 alone", wrong, {&s}, {{'r', 0, 0, 1}}, {}, unusable},
      {"1 1 1 of another key beside 3 1 1", wrong, {}, {{'x', 1, 1, 1}, {'h', 3, 1, 1}}, {}, dane},
      {"an unknown matching type", wrong, {}, {{'h', 3, 1, 9}}, {}, unusable},
      {"an unknown selector", wrong, {}, {{'h', 3, 7, 1}}, {}, unusable},
      {"no record", wrong, {}, {}, {}, unusable},
  };
  const Issued other({.common_name = "Another"});
  for (const auto& c : cases) {
    CAPTURE(c.what);
    const Issued host(c.host, &s);
    wire::TlsPolicy policy{.level = TlsLevel::dane, .names = c.names};
    for (const Tlsa& t : c.records) {
      const Issued& of = t.of == 'h' ? host : t.of == 'r' ? s : other;
      policy.tlsa.push_back(of.tlsa(t.usage, t.selector, t.matching));
    }
    const Outcome outcome = w.shake(host, c.chain, policy);
    CAPTURE(outcome.error);
    const bool through = c.ends == dane || c.ends == unusable;
    REQUIRE(outcome.info.has_value() == through);
    if (!through) {
      CHECK(outcome.problem == (c.ends == mismatch     ? TlsProblem::certificate_host_mismatch
                                : c.ends == Ends::late ? TlsProblem::certificate_expired
                                                       : TlsProblem::certificate_not_trusted));
      continue;
    }
    CHECK(outcome.info->verified == (c.ends == dane ? TlsVerified::dane : TlsVerified::no));
    REQUIRE(outcome.info->unverified.has_value() == (c.ends == unusable));
    if (c.ends == unusable) CHECK(outcome.info->unverified->problem == TlsProblem::tlsa_invalid);
  }
}

TEST_CASE("dane: a malformed record is as if it were not there") {
  World w;
  const Issued host({.common_name = "x", .names = "DNS:mail.example"});
  wire::TlsPolicy policy{.level = TlsLevel::dane, .tlsa = {{3, 1, 1, "short"}, {3, 0, 0, "no certificate"}}};
  Outcome outcome = w.shake(host, {}, policy);
  REQUIRE(outcome.info);
  CHECK(outcome.info->unverified->problem == TlsProblem::tlsa_invalid);
  policy.tlsa.push_back(host.tlsa(3, 1, 1));
  outcome = w.shake(host, {}, policy);
  REQUIRE(outcome.info);
  CHECK(outcome.info->verified == TlsVerified::dane);
}

// A server of one old version.
std::shared_ptr<TlsContext> old_server(const World& w, const Issued& host, int version) {
  auto context = test::server_showing(w.directory, host, {});
  SSL_CTX* ctx = context->impl().ctx.get();
  SSL_CTX_set_security_level(ctx, 0);
  RELAY_ASSERT(SSL_CTX_set_cipher_list(ctx, "ALL") == 1);
  RELAY_ASSERT(SSL_CTX_set_min_proto_version(ctx, version) == 1);
  RELAY_ASSERT(SSL_CTX_set_max_proto_version(ctx, version) == 1);
  return context;
}

TEST_CASE("old versions are better than clear text, and not where TLS is demanded") {
  World w;
  const Issued host({.common_name = "x", .names = "DNS:mail.example"}, &w.root);
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
    const auto server = old_server(w, host, version);
    const Outcome outcome = shake(w.client, server, {"mail.example"});
    CAPTURE(outcome.error);
    REQUIRE(outcome.info);
    CHECK(outcome.info->version == (version == TLS1_VERSION ? "TLSv1" : "TLSv1.1"));
    for (const TlsLevel level : {TlsLevel::encrypt, TlsLevel::verify, TlsLevel::dane}) {
      wire::TlsPolicy policy{.level = level, .tlsa = {host.tlsa(3, 1, 1)}};
      const Outcome refused = shake(w.client, server, {"mail.example", "", policy});
      CHECK_FALSE(refused.info);
      CHECK(refused.problem == TlsProblem::validation_failure);
    }
  }
}

TEST_CASE("roots that cannot be read are an error that names them") {
  const test::TemporaryDirectory directory;
  const auto made = TlsContext::client({.roots_file = directory.file("none.pem")});
  REQUIRE_FALSE(made);
  CHECK(made.error().message.find("none.pem") != std::string::npos);
}

TEST_CASE("a session is taken up again with the same host, address and policy only, and not for ever") {
  World w;
  const Issued host({.common_name = "x", .names = "DNS:mail.example"}, &w.root);
  const TlsRemote verified{"mail.example", "[192.0.2.1]:25", {.level = TlsLevel::verify}};
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    const auto server = test::server_showing(w.directory, host, {});
    SSL_CTX_set_max_proto_version(server->impl().ctx.get(), version);
    const auto client = test::client_context({.roots_file = w.directory.file("roots.pem")});
    const auto resumed = [&](const TlsRemote& remote, Instant now = {}) {
      const Outcome outcome = shake(client, server, remote, now);
      REQUIRE_MESSAGE(outcome.info, outcome.error);
      const bool demanded = remote.policy.level == TlsLevel::verify;
      CHECK(outcome.info->verified == (demanded ? TlsVerified::name : TlsVerified::no));
      CHECK(outcome.info->peer_names == std::vector<std::string>{"mail.example"});
      return outcome.info->resumed;
    };
    CHECK_FALSE(resumed(verified));
    CHECK(resumed(verified));
    CHECK(resumed(verified));
    CHECK_FALSE(resumed({"mail.example", "[192.0.2.1]:25", {.level = TlsLevel::encrypt}}));
    CHECK_FALSE(resumed({"mail.example", "[192.0.2.2]:25", {.level = TlsLevel::verify}}));
    CHECK_FALSE(
        resumed({"mail.example", "[192.0.2.1]:25", {.level = TlsLevel::verify, .names = {"*.example"}}}));
    // The certificate was looked at at the beginning, whatever was renewed since.
    CHECK(resumed(verified, Instant(std::chrono::minutes(119))));
    CHECK_FALSE(resumed(verified, Instant(std::chrono::minutes(121))));
    CHECK(resumed(verified, Instant(std::chrono::minutes(121))));
  }
}

TEST_CASE("dane: what is taken up again is still dane, and another record set begins anew") {
  World w;
  const Issued host({.common_name = "x", .names = "DNS:mail.example", .ends_s = expired});
  const auto server = test::server_showing(w.directory, host, {});
  TlsRemote remote{"mail.example", "a", {.level = TlsLevel::dane, .tlsa = {host.tlsa(3, 1, 1)}}};
  CHECK_FALSE(shake(w.client, server, remote).info->resumed);
  const Outcome again = shake(w.client, server, remote);
  CHECK(again.info->resumed);
  CHECK(again.info->verified == TlsVerified::dane);
  remote.policy.tlsa = {w.root.tlsa(3, 1, 1)};
  CHECK(shake(w.client, server, remote).problem == TlsProblem::certificate_not_trusted);
}

TEST_CASE("of kept sessions the longest unused go first") {
  World w;
  const Issued host({.common_name = "x", .names = "DNS:mail.example"}, &w.root);
  const auto server = test::server_showing(w.directory, host, {});
  const auto client = test::client_context({.sessions = 2});
  for (const char* address : {"a", "b", "c"}) CHECK_FALSE(shake(client, server, {"", address}).info->resumed);
  CHECK(client->impl().sessions->size() == 2);
  CHECK_FALSE(shake(client, server, {"", "a"}).info->resumed);
  CHECK(shake(client, server, {"", "c"}).info->resumed);
  const auto none = test::client_context({.sessions = 0});
  CHECK_FALSE(shake(none, server, {"", "a"}).info->resumed);
  CHECK_FALSE(shake(none, server, {"", "a"}).info->resumed);
}

}  // namespace
}  // namespace relay::net
