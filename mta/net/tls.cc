#include "mta/net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <climits>
#include <cstring>
#include <utility>

namespace relay::net {
namespace {

struct Free {
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  void operator()(SSL* p) const { SSL_free(p); }
};
using ContextPtr = std::unique_ptr<SSL_CTX, Free>;
using SslPtr = std::unique_ptr<SSL, Free>;

// What OpenSSL holds against us, innermost reason first; its queue is empty afterwards.
std::string take_errors(std::string_view otherwise) {
  std::string all;
  while (const unsigned long code = ERR_get_error()) {
    const char* reason =
        ERR_SYSTEM_ERROR(code) ? std::strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
    if (reason == nullptr || std::string_view(reason).ends_with(" lib")) continue;  // only where it came by
    if (!all.empty()) all += ", ";
    all += reason;
  }
  return all.empty() ? std::string(otherwise) : all;
}

// Both sides: RFC 8996 retires all before TLS 1.2.
Result<ContextPtr> make_context(const SSL_METHOD* method) {
  ERR_clear_error();
  ContextPtr ctx(SSL_CTX_new(method));
  if (!ctx || SSL_CTX_set_min_proto_version(ctx.get(), TLS1_2_VERSION) != 1)
    return fail(Errc::system, "TLS cannot be set up: " + take_errors("no reason given"));
  SSL_CTX_set_options(ctx.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  // A peer that ends TCP without close_notify has ended; what counts in mail is its protocol's own end marks.
  SSL_CTX_set_options(ctx.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(ctx.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
  return ctx;
}

bool is_address(const std::string& name) {
  return name.find(':') != std::string::npos || name.find_first_not_of("0123456789.") == std::string::npos;
}

}  // namespace

struct TlsContext::Impl {
  ContextPtr ctx;
  bool verify = false;
};

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<TlsContext>> TlsContext::server(const std::string& certificate_file,
                                                       const std::string& key_file) {
  auto ctx = make_context(TLS_server_method());
  if (!ctx) return std::unexpected(ctx.error());
  // A key under a passphrase is refused: nobody is there to be asked for it.
  SSL_CTX_set_default_passwd_cb(ctx->get(), [](char*, int, int, void*) { return 0; });
  if (SSL_CTX_use_certificate_chain_file(ctx->get(), certificate_file.c_str()) != 1)
    return fail(Errc::invalid,
                "the certificate " + certificate_file + " cannot be used: " + take_errors("no reason given"));
  if (SSL_CTX_use_PrivateKey_file(ctx->get(), key_file.c_str(), SSL_FILETYPE_PEM) != 1)
    return fail(Errc::invalid, "the key " + key_file + " cannot be used: " + take_errors("no reason given"));
  if (SSL_CTX_check_private_key(ctx->get()) != 1)
    return fail(Errc::invalid, "the key " + key_file + " does not belong to the certificate " +
                                   certificate_file + ": " + take_errors("no reason given"));
  SSL_CTX_set_options(ctx->get(), SSL_OP_CIPHER_SERVER_PREFERENCE);
  static constexpr unsigned char session_id[] = "relay";
  SSL_CTX_set_session_id_context(ctx->get(), session_id, sizeof session_id - 1);
  return std::shared_ptr<TlsContext>(new TlsContext(std::make_unique<Impl>(Impl{std::move(*ctx), false})));
}

Result<std::shared_ptr<TlsContext>> TlsContext::client(bool verify) {
  auto ctx = make_context(TLS_client_method());
  if (!ctx) return std::unexpected(ctx.error());
  if (verify && SSL_CTX_set_default_verify_paths(ctx->get()) != 1)
    return fail(Errc::system,
                "the system's certificate authorities cannot be read: " + take_errors("no reason given"));
  SSL_CTX_set_verify(ctx->get(), verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_session_cache_mode(ctx->get(), SSL_SESS_CACHE_OFF);
  return std::shared_ptr<TlsContext>(new TlsContext(std::make_unique<Impl>(Impl{std::move(*ctx), verify})));
}

struct TlsEngine::Impl {
  std::shared_ptr<TlsContext> context;
  SslPtr ssl;
  BIO* in = nullptr;  // both owned by ssl
  BIO* out = nullptr;
  std::string plain;
  bool established = false;
  bool peer_closed = false;
  bool broken = false;

  Impl(std::shared_ptr<TlsContext> c, bool server) : context(std::move(c)) {
    ssl.reset(SSL_new(context->impl().ctx.get()));
    in = BIO_new(BIO_s_mem());
    out = BIO_new(BIO_s_mem());
    RELAY_ASSERT(ssl && in != nullptr && out != nullptr);
    BIO_set_mem_eof_return(in, -1);  // empty means "not yet", not the end
    BIO_set_mem_eof_return(out, -1);
    SSL_set_bio(ssl.get(), in, out);
    if (server)
      SSL_set_accept_state(ssl.get());
    else
      SSL_set_connect_state(ssl.get());
  }

  Result<void> handshake() {
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

  Result<void> decrypt() {
    char block[16 * 1024];  // a record's size at most
    while (!peer_closed) {
      ERR_clear_error();
      const int n = SSL_read(ssl.get(), block, sizeof block);
      if (n > 0) {
        plain.append(block, static_cast<std::size_t>(n));
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
  std::unexpected<Error> broke() {
    broken = true;
    const long verified = SSL_get_verify_result(ssl.get());
    std::string reason = take_errors("the peer broke the protocol");
    if (context->impl().verify && verified != X509_V_OK)
      reason = std::string("certificate: ") + X509_verify_cert_error_string(verified);
    return fail(Errc::unavailable, std::move(reason));
  }
};

TlsEngine::TlsEngine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsEngine::~TlsEngine() = default;

std::unique_ptr<TlsEngine> TlsEngine::make_server(std::shared_ptr<TlsContext> context) {
  return std::unique_ptr<TlsEngine>(new TlsEngine(std::make_unique<Impl>(std::move(context), true)));
}

std::unique_ptr<TlsEngine> TlsEngine::make_client(std::shared_ptr<TlsContext> context,
                                                  const std::string& host_name) {
  auto impl = std::make_unique<Impl>(std::move(context), false);
  const bool address = is_address(host_name);
  // RFC 6066 3: no literal addresses in SNI.
  if (!host_name.empty() && !address) {  // the macro SSL_set_tlsext_host_name, without its C cast
    SSL_ctrl(impl->ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(host_name.c_str()));
  }
  if (impl->context->impl().verify) {
    // A name that cannot be set must not pass as "any name will do": an empty label matches nothing.
    const bool set =
        address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(impl->ssl.get()), host_name.c_str()) == 1
                : SSL_set1_host(impl->ssl.get(), host_name.c_str()) == 1;
    if (host_name.empty() || !set) SSL_set1_host(impl->ssl.get(), "invalid.");
  }
  std::unique_ptr<TlsEngine> engine(new TlsEngine(std::move(impl)));
  (void)engine->impl_->handshake();  // puts the ClientHello into to_wire(); it cannot have failed yet
  return engine;
}

Result<void> TlsEngine::feed(std::string_view from_wire) {
  Impl& s = *impl_;
  if (s.broken) return fail(Errc::unavailable, "the TLS session has failed before");
  RELAY_ASSERT(from_wire.size() <= INT_MAX);
  if (!from_wire.empty() && BIO_write(s.in, from_wire.data(), static_cast<int>(from_wire.size())) !=
                                static_cast<int>(from_wire.size()))
    return fail(Errc::system, "no memory for TLS");
  if (!s.established) {
    if (auto done = s.handshake(); !done || !s.established) return done;
  }
  return s.decrypt();
}

Result<void> TlsEngine::write(std::string_view plain) {
  Impl& s = *impl_;
  if (s.broken || !s.established) return fail(Errc::unavailable, "the TLS session is not established");
  if (plain.empty()) return {};
  std::size_t written = 0;
  ERR_clear_error();
  // The memory BIO takes everything, so that this is never partial.
  if (SSL_write_ex(s.ssl.get(), plain.data(), plain.size(), &written) != 1 || written != plain.size())
    return s.broke();
  return {};
}

std::string TlsEngine::to_wire() {
  char* data = nullptr;
  const long size = BIO_get_mem_data(impl_->out, &data);
  if (size <= 0) return {};
  std::string bytes(data, static_cast<std::size_t>(size));
  BIO_reset(impl_->out);
  return bytes;
}

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
  info.peer_verified = impl_->context->impl().verify && SSL_get_verify_result(impl_->ssl.get()) == X509_V_OK;
  return info;
}

}  // namespace relay::net
