// What a server takes of clients: versions, ciphers, sessions brought back; and what it keeps for one.
#include <doctest/doctest.h>
#include <malloc.h>

#include "mta/net/ticket_keys.h"
#include "tests/unit/net/certificate.h"
#include "tests/unit/net/tls_peer.h"

namespace relay::net {
namespace {

using test::Certificate;
using test::PeerOptions;
using test::TlsPeer;

TEST_CASE("versions and ciphers: only TLS 1.2 and 1.3, only ECDHE with AES-GCM or ChaCha20") {
  struct Row {
    int version;
    const char* ciphers;
    bool taken;
  };
  const Row rows[] = {
      {TLS1_VERSION, "", false},
      {TLS1_1_VERSION, "", false},
      {TLS1_2_VERSION, "", true},
      {TLS1_3_VERSION, "", true},
      {TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256", true},
      {TLS1_2_VERSION, "ECDHE-RSA-CHACHA20-POLY1305", true},
      {TLS1_2_VERSION, "ECDHE-RSA-AES128-SHA256", false},  // CBC
      {TLS1_2_VERSION, "ECDHE-RSA-AES256-SHA", false},
      {TLS1_2_VERSION, "AES256-GCM-SHA384", false},  // no forward secrecy
      {TLS1_2_VERSION, "DHE-RSA-AES256-GCM-SHA384", false},
      {TLS1_2_VERSION, "AECDH-AES256-SHA", false},  // nobody is authenticated
      {TLS1_2_VERSION, "NULL-SHA256", false},
  };
  const Certificate certificate({.rsa = true});
  const auto context = certificate.server();
  for (const Row& row : rows) {
    CAPTURE(row.version);
    CAPTURE(row.ciphers);
    TlsPeer peer({.version = row.version, .ciphers = row.ciphers});
    auto server = TlsEngine::make_server(context);
    CHECK(peer.shake_hands(*server) == row.taken);
    CHECK(peer.error.empty() == row.taken);
  }
}

TEST_CASE("the server's order of ciphers counts") {
  const Certificate certificate({.rsa = true});
  TlsPeer peer(
      {.version = TLS1_2_VERSION,
       .ciphers = "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384"});
  auto server = TlsEngine::make_server(certificate.server());
  REQUIRE(peer.shake_hands(*server));
  CHECK(peer.cipher() == "ECDHE-RSA-AES256-GCM-SHA384");
}

TEST_CASE("a client cannot choose a costly group") {
  const Certificate certificate;
  TlsPeer peer({.groups = "ffdhe8192"});
  auto server = TlsEngine::make_server(certificate.server());
  CHECK_FALSE(peer.shake_hands(*server));
}

// Resumption over `second` of a session made over `first`.
bool resumes(const std::shared_ptr<TlsContext>& first, const std::shared_ptr<TlsContext>& second,
             PeerOptions options) {
  TlsPeer peer(options);
  auto server = TlsEngine::make_server(first);
  REQUIRE(peer.shake_hands(*server));
  CHECK_FALSE(peer.resumed());
  const test::SavedSession session = peer.take_session();
  REQUIRE(session);
  options.session = session.get();
  TlsPeer again(options);
  auto other = TlsEngine::make_server(second);
  REQUIRE(again.shake_hands(*other));
  return again.resumed();
}

TEST_CASE("a session comes back to its own listener, on any engine, and to no other listener") {
  const Certificate certificate;
  const auto store = CertificateStore::open({certificate.files()}, system_wall());
  REQUIRE(store);
  const auto submissions = test::server_context(*store, "127.0.0.1:465");
  const auto submission = test::server_context(*store, "127.0.0.1:587");
  const PeerOptions kinds[] = {{.version = TLS1_3_VERSION},
                               {.version = TLS1_2_VERSION},
                               {.version = TLS1_2_VERSION, .tickets = false},
                               {.version = TLS1_3_VERSION, .server_name = "mail.example"},
                               {.version = TLS1_2_VERSION, .server_name = "mail.example"}};
  for (const PeerOptions& kind : kinds) {
    CAPTURE(kind.version);
    CAPTURE(kind.tickets);
    CHECK(resumes(submissions, submissions, kind));
    CHECK_FALSE(resumes(submissions, submission, kind));
    CHECK_FALSE(resumes(submission, submissions, kind));
  }
}

TEST_CASE("ticket keys: the one before is good once more, an older one is not") {
  const Certificate certificate;
  const auto store = CertificateStore::open({certificate.files()}, system_wall());
  REQUIRE(store);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    const Instant start{};
    const auto context = test::server_context(*store, "465", start);
    TlsPeer first({.version = version});
    auto server = TlsEngine::make_server(context);
    REQUIRE(first.shake_hands(*server));
    const auto session = first.take_session();
    const auto resumed = [&](SSL_SESSION* with, test::SavedSession* renewed = nullptr) {
      TlsPeer peer({.version = version, .session = with});
      auto engine = TlsEngine::make_server(context);
      REQUIRE(peer.shake_hands(*engine));
      if (renewed != nullptr) *renewed = peer.take_session();
      return peer.resumed();
    };
    context->refresh_tickets(start + TicketKeys::lifetime - Duration(1));
    CHECK(resumed(session.get()));
    context->refresh_tickets(start + TicketKeys::lifetime);
    test::SavedSession renewed;
    CHECK(resumed(session.get(), &renewed));
    REQUIRE(renewed);  // sealed with the new key
    context->refresh_tickets(start + 2 * TicketKeys::lifetime);
    CHECK_FALSE(resumed(session.get()));
    CHECK(resumed(renewed.get()));
    context->refresh_tickets(start + 4 * TicketKeys::lifetime);  // a long sleep: none is kept
    CHECK_FALSE(resumed(renewed.get()));
  }
}

// What the allocator has given out and not got back. The sanitizers' own say nothing.
std::size_t in_use() {
  const auto info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

TEST_CASE("a peer that sends much and no data is cut off") {
  const test::Certificate certificate;
  auto server = TlsEngine::make_server(certificate.server());
  TlsPeer peer;
  REQUIRE(peer.shake_hands(*server));
  std::size_t sent = 0;
  Result<void> fed;
  for (int i = 0; i < 1000 && fed; ++i) {
    const std::string update = peer.key_update();
    sent += update.size();
    fed = server->feed(update);
  }
  CHECK(fed);
  REQUIRE(server->feed(peer.encrypt("data")));  // and then all is well
  CHECK(server->plain() == "data");
  for (sent = 0; fed && sent < (1u << 20);) {
    const std::string update = peer.key_update();
    sent += update.size();
    fed = server->feed(update);
  }
  REQUIRE_FALSE(fed);
  CHECK(fed.error().message.find("without data") != std::string::npos);
  CHECK(sent > (256u << 10));
  CHECK(sent < (257u << 10));
  CHECK_FALSE(server->feed(peer.encrypt("data")));
}

TEST_CASE("an idle session keeps little: no buffer of a read or of a record stays") {
  const Certificate certificate;
  const auto context = certificate.server();
  constexpr std::size_t sessions = 50;
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    std::vector<std::unique_ptr<TlsEngine>> idle;
    const std::size_t before = in_use();
    for (std::size_t i = 0; i < sessions; ++i) {
      TlsPeer peer({.version = version});
      auto& engine = idle.emplace_back(TlsEngine::make_server(context));
      REQUIRE(peer.shake_hands(*engine));
      for (int turn = 0; turn < 3; ++turn) {
        REQUIRE(engine->feed(peer.encrypt(std::string(60'000, 'x'))));
        CHECK(engine->plain().size() == 60'000);
        REQUIRE(engine->write(std::string(60'000, 'y')));
        CHECK(engine->to_wire().size() > 60'000);
      }
    }
    const std::size_t each = (in_use() - before) / sessions;
    MESSAGE("version " << version << ": " << each << " bytes a session");
    CHECK(each < 20'000);
  }
}

}  // namespace
}  // namespace relay::net
