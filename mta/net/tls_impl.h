// The inside of TlsContext and TlsEngine, cut in two: tls.cc (what both sides share, and servers) and
// tls_client.cc (a client's policy, what it finds out of its peer, sessions taken up again). Not for headers.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "mta/net/openssl.h"
#include "mta/net/session_cache.h"
#include "mta/net/ticket_keys.h"
#include "mta/net/tls.h"
#include "mta/net/wire_bio.h"

namespace relay::net {

struct TlsContext::Impl {
  Openssl<BIO_METHOD> wire = make_wire_method();  // before ctx: SSLs of ctx use it
  Openssl<SSL_CTX> ctx;
  std::shared_ptr<const CertificateStore> certificates{};  // of a server
  std::unique_ptr<TicketKeys> tickets{};
  std::unique_ptr<SessionCache> sessions{};  // of a client

  static Impl& of(SSL* ssl) { return *static_cast<Impl*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl))); }
  static int choose_certificate(SSL* ssl, void* impl);
  static int acknowledge_name(SSL*, int*, void*);
  static int ticket_key(SSL* ssl, unsigned char* name, unsigned char* vector, EVP_CIPHER_CTX* cipher,
                        EVP_MAC_CTX* mac, int seal);
};

// TLS 1.2 or newer, until a session is told otherwise.
Result<Openssl<SSL_CTX>> make_tls_context(const SSL_METHOD* method);

// What a client's engine has to know beside the SSL.
struct ClientSide {
  wire::TlsLevel level = wire::TlsLevel::none;  // in force: a dane without usable records is encrypt
  std::optional<wire::TlsFailure> unverified{};
  Digest key{};       // of its sessions
  Instant checked{};  // when the peer's certificate was, or is now

  // Sets the policy's demands and offers a session of before.
  void prepare(SSL* ssl, SessionCache& sessions, const TlsRemote& remote, Instant now);
  void describe(SSL* ssl, wire::TlsInfo& info) const;
  wire::TlsProblem problem(SSL* ssl) const;

 private:
  void ask_for_name(SSL* ssl, const std::string& host) const;
  void accept_anyone(SSL* ssl) const;
  void demand_name(SSL* ssl, const TlsRemote& remote) const;
  bool demand_dane(SSL* ssl, const TlsRemote& remote);
  Digest key_of(const TlsRemote& remote) const;
};

struct TlsEngine::Impl {
  std::shared_ptr<TlsContext> context;
  Wire wire;
  Openssl<SSL> ssl;
  std::string plain;
  std::size_t fruitless = 0;  // bytes fed since there was data
  bool established = false;
  bool peer_closed = false;
  bool broken = false;
  std::optional<ClientSide> client;
  std::optional<wire::TlsProblem> problem;

  Impl(std::shared_ptr<TlsContext> c, bool server);
  Result<void> handshake();
  Result<void> decrypt();
  std::unexpected<Error> broke();
  static int on_session(SSL* ssl, SSL_SESSION* session);
};

}  // namespace relay::net
