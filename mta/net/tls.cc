#include "mta/net/tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <utility>

#include "mta/base/secret.h"
#include "mta/net/tls_impl.h"

namespace relay::net {
namespace {

// Forward secrecy and authenticated encryption only (RFC 9325 4.2); TLS 1.3 has no others. AES first: servers
// have it in hardware.
constexpr const char* server_ciphers =
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:"
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
// Without the finite fields that OpenSSL would take too: a client could have us compute in 8192 bits.
constexpr const char* server_groups = "X25519:P-256:P-384";
// How long a client may come back to a session. Long enough for one that sends now and then, short for
// secrets kept.
constexpr long session_seconds = 2 * 3600;
// Of TLS 1.2 without tickets, which only old clients do; each is about 1 KiB.
constexpr long cached_sessions = 4096;

// What a peer may send in a row that brings no data. A handshake's certificates are under 100 KiB (OpenSSL
// takes no more), a record under 17 KiB.
constexpr std::size_t most_fruitless = std::size_t{256} << 10;

}  // namespace

// RFC 8996 retires all before TLS 1.2.
Result<Openssl<SSL_CTX>> make_tls_context(const SSL_METHOD* method) {
  ERR_clear_error();
  Openssl<SSL_CTX> ctx(SSL_CTX_new(method));
  if (!ctx || SSL_CTX_set_min_proto_version(ctx.get(), TLS1_2_VERSION) != 1)
    return fail(Errc::system, "TLS cannot be set up: " + take_openssl_errors("no reason given"));
  SSL_CTX_set_options(ctx.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  // A peer that ends TCP without close_notify has ended; what counts in mail is its protocol's own end marks.
  SSL_CTX_set_options(ctx.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(ctx.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
  return ctx;
}

// What is in force stays alive while it is shown: the session takes its own references.
int TlsContext::Impl::choose_certificate(SSL* ssl, void* impl) {
  const auto set = static_cast<Impl*>(impl)->certificates->set();
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  return set->show(ssl, set->choose(name != nullptr ? name : "")) ? 1 : 0;
}

// That the name was read is said (RFC 6066 3), also of one that no certificate has.
int TlsContext::Impl::acknowledge_name(SSL*, int*, void*) { return SSL_TLSEXT_ERR_OK; }

int TlsContext::Impl::ticket_key(SSL* ssl, unsigned char* name, unsigned char* vector, EVP_CIPHER_CTX* cipher,
                                 EVP_MAC_CTX* mac, int seal) {
  return of(ssl).tickets->prepare(name, vector, cipher, mac, seal == 1);
}

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<TlsContext>> TlsContext::server(std::shared_ptr<const CertificateStore> certificates,
                                                       const std::string& listener, Instant now) {
  auto made = make_tls_context(TLS_server_method());
  if (!made) return std::unexpected(made.error());
  auto impl = std::make_unique<Impl>();
  impl->ctx = std::move(*made);
  impl->certificates = std::move(certificates);
  impl->tickets = std::make_unique<TicketKeys>(now);
  SSL_CTX* ctx = impl->ctx.get();
  if (SSL_CTX_set_cipher_list(ctx, server_ciphers) != 1 || SSL_CTX_set1_groups_list(ctx, server_groups) != 1)
    return fail(Errc::system, "TLS cannot be set up: " + take_openssl_errors("no reason given"));
  SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_cert_cb(ctx, &Impl::choose_certificate, impl.get());
  // The macro SSL_CTX_set_tlsext_servername_callback, without its C cast.
  SSL_CTX_callback_ctrl(ctx, SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
                        reinterpret_cast<void (*)()>(&Impl::acknowledge_name));
  const Digest context = sha256(listener);
  SSL_CTX_set_session_id_context(ctx, context.data(), context.size());
  SSL_CTX_set_app_data(ctx, impl.get());
  SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, &Impl::ticket_key);
  SSL_CTX_set_num_tickets(ctx, 1);  // clients of mail open one connection after another
  SSL_CTX_set_timeout(ctx, session_seconds);
  SSL_CTX_sess_set_cache_size(ctx, cached_sessions);
  return std::shared_ptr<TlsContext>(new TlsContext(std::move(impl)));
}

void TlsContext::refresh_tickets(Instant now) {
  if (impl_->tickets) impl_->tickets->refresh(now);
}

TlsEngine::Impl::Impl(std::shared_ptr<TlsContext> c, bool server) : context(std::move(c)) {
  ssl.reset(SSL_new(context->impl().ctx.get()));
  RELAY_ASSERT(ssl);
  BIO* bio = make_wire_bio(context->impl().wire.get(), wire);
  SSL_set_bio(ssl.get(), bio, bio);
  if (server)
    SSL_set_accept_state(ssl.get());
  else
    SSL_set_connect_state(ssl.get());
}

Result<void> TlsEngine::Impl::handshake() {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl.get());
  if (done == 1) {
    established = true;
    return {};
  }
  const int why = SSL_get_error(ssl.get(), done);
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return {};
  return broke();
}

Result<void> TlsEngine::Impl::decrypt() {
  char block[16 * 1024];  // a record's size at most
  while (!peer_closed) {
    ERR_clear_error();
    const int n = SSL_read(ssl.get(), block, sizeof block);
    if (n > 0) {
      plain.append(block, static_cast<std::size_t>(n));
      fruitless = 0;
      continue;
    }
    const int why = SSL_get_error(ssl.get(), n);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return {};
    if (why != SSL_ERROR_ZERO_RETURN) return broke();
    peer_closed = true;
  }
  return {};
}

// The certificate's own fault says more than "certificate verify failed".
std::unexpected<Error> TlsEngine::Impl::broke() {
  broken = true;
  std::string reason = take_openssl_errors("the peer broke the protocol");
  const long verified = SSL_get_verify_result(ssl.get());
  if (client && !established) {
    if (verified != X509_V_OK && client->level >= wire::TlsLevel::verify)
      reason = std::string("certificate: ") + X509_verify_cert_error_string(verified);
    problem = client->problem(ssl.get());
    context->impl().sessions->drop(client->key);
  }
  return fail(Errc::unavailable, std::move(reason));
}

TlsEngine::TlsEngine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsEngine::~TlsEngine() = default;

std::unique_ptr<TlsEngine> TlsEngine::make_server(std::shared_ptr<TlsContext> context) {
  return std::unique_ptr<TlsEngine>(new TlsEngine(std::make_unique<Impl>(std::move(context), true)));
}

std::unique_ptr<TlsEngine> TlsEngine::make_client(std::shared_ptr<TlsContext> context,
                                                  const TlsRemote& remote, Instant now) {
  auto impl = std::make_unique<Impl>(std::move(context), false);
  SSL_set_app_data(impl->ssl.get(), impl.get());
  impl->client.emplace();
  impl->client->prepare(impl->ssl.get(), *impl->context->impl().sessions, remote, now);
  std::unique_ptr<TlsEngine> engine(new TlsEngine(std::move(impl)));
  (void)engine->impl_->handshake();  // puts the ClientHello into to_wire(); it cannot have failed yet
  return engine;
}

Result<void> TlsEngine::feed(std::string_view from_wire) {
  Impl& s = *impl_;
  if (s.broken) return fail(Errc::unavailable, "the TLS session has failed before");
  s.fruitless += from_wire.size();
  s.wire.in = from_wire;  // read to its end below, unless the session ends before
  auto done = s.established ? Result<void>() : s.handshake();
  if (done && s.established) done = s.decrypt();
  s.wire.in = {};
  if (done && s.fruitless > most_fruitless) {
    s.broken = true;
    return fail(Errc::unavailable, fmt::format("the peer sent {} bytes without data", s.fruitless));
  }
  return done;
}

Result<void> TlsEngine::write(std::string_view plain) {
  Impl& s = *impl_;
  if (s.broken || !s.established) return fail(Errc::unavailable, "the TLS session is not established");
  if (plain.empty()) return {};
  std::size_t written = 0;
  ERR_clear_error();
  // Memory takes everything, so that this is never partial.
  if (SSL_write_ex(s.ssl.get(), plain.data(), plain.size(), &written) != 1 || written != plain.size())
    return s.broke();
  return {};
}

std::string TlsEngine::to_wire() { return std::exchange(impl_->wire.out, {}); }
std::string TlsEngine::plain() { return std::exchange(impl_->plain, {}); }
bool TlsEngine::established() const { return impl_->established; }
bool TlsEngine::peer_closed() const { return impl_->peer_closed; }

void TlsEngine::close() {
  if (impl_->broken || !impl_->established) return;
  ERR_clear_error();
  SSL_shutdown(impl_->ssl.get());
  ERR_clear_error();
}

wire::TlsInfo TlsEngine::info() const {
  wire::TlsInfo info;
  info.version = SSL_get_version(impl_->ssl.get());
  info.cipher = SSL_get_cipher_name(impl_->ssl.get());
  if (impl_->client) impl_->client->describe(impl_->ssl.get(), info);
  return info;
}

std::optional<wire::TlsProblem> TlsEngine::problem() const { return impl_->problem; }

}  // namespace relay::net
