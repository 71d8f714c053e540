#include "mta/net/tls.h"

#include <doctest/doctest.h>

#include "tests/unit/net/certificate.h"

namespace relay::net {
namespace {

using test::Certificate;
using test::client_context;

// Carries what one side wants to send to the other, in pieces of `piece` bytes.
Result<void> carry(TlsEngine& from, TlsEngine& to, std::size_t piece) {
  const std::string bytes = from.to_wire();
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    if (auto fed = to.feed(std::string_view(bytes).substr(at, piece)); !fed) return fed;
  }
  return {};
}

Result<void> shake_hands(TlsEngine& client, TlsEngine& server, std::size_t piece) {
  for (int turn = 0; turn < 4; ++turn) {
    if (auto r = carry(client, server, piece); !r) return r;
    if (auto r = carry(server, client, piece); !r) return r;
  }
  return {};
}

TEST_CASE("a handshake and data both ways, whole and cut at every byte") {
  const Certificate certificate;
  const auto server_context = certificate.server();
  const auto context = client_context();
  for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{1} << 20}) {
    CAPTURE(piece);
    auto server = TlsEngine::make_server(server_context);
    auto client = TlsEngine::make_client(context, {"mail.example"}, {});
    CHECK_FALSE(client->established());
    REQUIRE(shake_hands(*client, *server, piece));
    REQUIRE(client->established());
    REQUIRE(server->established());
    CHECK(client->info().version == "TLSv1.3");
    CHECK_FALSE(client->info().cipher.empty());
    CHECK(client->info().verified == wire::TlsVerified::no);

    REQUIRE(client->write("EHLO a\r\n"));
    REQUIRE(client->write(""));
    REQUIRE(carry(*client, *server, piece));
    CHECK(server->plain() == "EHLO a\r\n");
    CHECK(server->plain().empty());
    const std::string large(200'000, 'x');
    REQUIRE(server->write(large));
    REQUIRE(carry(*server, *client, piece));
    CHECK(client->plain() == large);

    client->close();
    CHECK_FALSE(server->peer_closed());
    REQUIRE(carry(*client, *server, piece));
    CHECK(server->peer_closed());
  }
}

TEST_CASE("data sent along with the end of the handshake is there after it") {
  const Certificate certificate;
  auto server = TlsEngine::make_server(certificate.server());
  auto client = TlsEngine::make_client(client_context(), {"mail.example"}, {});
  REQUIRE(carry(*client, *server, 1 << 20));
  REQUIRE(carry(*server, *client, 1 << 20));
  REQUIRE(client->established());
  REQUIRE(client->write("EHLO early\r\n"));
  REQUIRE(carry(*client, *server, 1 << 20));  // Finished and data in one read
  CHECK(server->established());
  CHECK(server->plain() == "EHLO early\r\n");
}

TEST_CASE("what is not TLS is refused with a sentence, and an alert is sent") {
  const Certificate certificate;
  auto server = TlsEngine::make_server(certificate.server());
  auto fed = server->feed("EHLO mail.example\r\n");
  REQUIRE_FALSE(fed);
  CHECK_FALSE(fed.error().message.empty());
  CHECK_FALSE(server->feed("more"));
  CHECK_FALSE(server->write("data"));
  CHECK_FALSE(server->established());
}

TEST_CASE("a damaged record ends the session") {
  const Certificate certificate;
  auto server = TlsEngine::make_server(certificate.server());
  auto client = TlsEngine::make_client(client_context(), {"mail.example"}, {});
  REQUIRE(shake_hands(*client, *server, 1 << 20));
  REQUIRE(client->write("MAIL FROM:<>\r\n"));
  std::string bytes = client->to_wire();
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  CHECK_FALSE(server->feed(bytes));
  CHECK(server->plain().empty());
}

TEST_CASE("writing before the handshake is an error, closing before it says nothing") {
  const Certificate certificate;
  auto server = TlsEngine::make_server(certificate.server());
  CHECK_FALSE(server->write("220"));
  server->close();
  CHECK(server->to_wire().empty());
}

TEST_CASE("with verify, a self-signed certificate is refused and the reason is the certificate's") {
  const Certificate certificate;
  auto server = TlsEngine::make_server(certificate.server());
  auto client = TlsEngine::make_client(client_context(), {"mail.example", "", {wire::TlsLevel::verify}}, {});
  auto shaken = shake_hands(*client, *server, 1 << 20);
  REQUIRE_FALSE(shaken);
  CHECK(shaken.error().message.find("certificate") != std::string::npos);
  CHECK_FALSE(client->established());
}

}  // namespace
}  // namespace relay::net
