// A TLS client of OpenSSL's own, over memory, for what TlsEngine's clients do not do: old versions, chosen
// ciphers, sessions brought back. And the server's engine it talks to.
#pragma once
#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "mta/net/tls.h"

namespace relay::net::test {

struct SessionFree {
  void operator()(SSL_SESSION* s) const { SSL_SESSION_free(s); }
};
using SavedSession = std::unique_ptr<SSL_SESSION, SessionFree>;

struct PeerOptions {
  int version = TLS1_3_VERSION;
  std::string server_name = {};
  std::string ciphers = {};  // of TLS 1.2
  std::string groups = {};
  bool tickets = true;  // else sessions come back by id
  SSL_SESSION* session = nullptr;
};

class TlsPeer {
 public:
  explicit TlsPeer(const PeerOptions& options = {})
      : ctx_(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free), ssl_(nullptr, &SSL_free) {
    // So that versions and ciphers of old are offered at all.
    SSL_CTX_set_security_level(ctx_.get(), 0);
    RELAY_ASSERT(SSL_CTX_set_min_proto_version(ctx_.get(), options.version) == 1);
    RELAY_ASSERT(SSL_CTX_set_max_proto_version(ctx_.get(), options.version) == 1);
    if (!options.ciphers.empty())
      RELAY_ASSERT(SSL_CTX_set_cipher_list(ctx_.get(), options.ciphers.c_str()) == 1);
    if (!options.groups.empty())
      RELAY_ASSERT(SSL_CTX_set1_groups_list(ctx_.get(), options.groups.c_str()) == 1);
    if (!options.tickets) SSL_CTX_set_options(ctx_.get(), SSL_OP_NO_TICKET);
    // Of TLS 1.3 the session comes after the handshake.
    SSL_CTX_set_session_cache_mode(ctx_.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_app_data(ctx_.get(), this);
    SSL_CTX_sess_set_new_cb(
        ctx_.get(), +[](SSL* ssl, SSL_SESSION* session) -> int {
          static_cast<TlsPeer*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))->saved_.reset(session);
          return 1;
        });
    ssl_.reset(SSL_new(ctx_.get()));
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in_, -1);
    SSL_set_bio(ssl_.get(), in_, out_);
    std::string name = options.server_name;
    if (!name.empty())  // the macro SSL_set_tlsext_host_name, without its C cast
      SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
    if (options.session != nullptr) {  // a copy: OpenSSL lets a session of TLS 1.3 be used once
      const SavedSession copy(SSL_SESSION_dup(options.session));
      RELAY_ASSERT(SSL_set_session(ssl_.get(), copy.get()) == 1);
    }
    SSL_set_connect_state(ssl_.get());
  }
  // Its sessions stay good, as if it had said goodbye.
  ~TlsPeer() { SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); }
  TlsPeer(const TlsPeer&) = delete;
  TlsPeer& operator=(const TlsPeer&) = delete;

  // Whether both sides are through. The server's error, if any, is in `error`.
  bool shake_hands(TlsEngine& server) {
    char nothing[1];
    for (int turn = 0; turn < 4; ++turn) {
      if (SSL_is_init_finished(ssl_.get()) == 0)
        SSL_do_handshake(ssl_.get());
      else
        SSL_peek(ssl_.get(), nothing, 1);  // takes tickets
      if (const auto fed = server.feed(sent()); !fed) {
        error = fed.error().message;
        return false;
      }
      receive(server.to_wire());
    }
    return SSL_is_init_finished(ssl_.get()) == 1 && server.established();
  }
  // The ClientHello alone.
  std::string first_flight() {
    SSL_do_handshake(ssl_.get());
    return sent();
  }
  std::string encrypt(const std::string& plain) {
    RELAY_ASSERT(SSL_write(ssl_.get(), plain.data(), static_cast<int>(plain.size())) > 0);
    return sent();
  }
  // What is no data.
  std::string key_update() {
    RELAY_ASSERT(SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
    RELAY_ASSERT(SSL_do_handshake(ssl_.get()) == 1);
    return sent();
  }
  bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
  std::string cipher() const { return SSL_get_cipher_name(ssl_.get()); }
  // The common name of the certificate it was shown.
  std::string shown() const {
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(SSL_get1_peer_certificate(ssl_.get()),
                                                                  &X509_free);
    char name[256] = "";
    if (certificate)
      X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name, sizeof name);
    return name;
  }
  // What it may bring back; of TLS 1.2 a renewed ticket is told to no callback.
  SavedSession take_session() {
    if (SSL_version(ssl_.get()) < TLS1_3_VERSION) return SavedSession(SSL_get1_session(ssl_.get()));
    return std::move(saved_);
  }
  std::string error;

 private:
  void receive(const std::string& bytes) {
    if (!bytes.empty()) RELAY_ASSERT(BIO_write(in_, bytes.data(), static_cast<int>(bytes.size())) > 0);
  }
  std::string sent() {
    char* data = nullptr;
    const long size = BIO_get_mem_data(out_, &data);
    std::string bytes(data, static_cast<std::size_t>(size));
    BIO_reset(out_);
    return bytes;
  }
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> ctx_;
  SavedSession saved_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
  BIO* in_ = nullptr;
  BIO* out_ = nullptr;
};

}  // namespace relay::net::test
