// TLS over memory: no socket here. TlsContext holds settings, shared between threads; TlsEngine is one
// connection's state, fed with bytes from the wire and giving bytes for it; between two calls it keeps no
// buffer of ours and none of OpenSSL's but for half a record. TLS 1.2 or newer, no renegotiation, no
// compression. Errors are sentences for the log.
//
// A server has one context a listener, shared by all loops: a session that a client brings back (ticket or
// id) is taken up again on any loop of that listener, and on no other listener. Servers choose: for TLS 1.2
// only ECDHE with AES-GCM or ChaCha20-Poly1305 (RFC 9325 4.2). Clients take what the host offers.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mta/base/result.h"
#include "mta/net/certificates.h"
#include "mta/wire/dialog.h"

namespace relay::net {

class TlsContext {
 public:
  // `listener` names it, and no other of this process. What is in force in the store counts for each
  // handshake.
  static Result<std::shared_ptr<TlsContext>> server(std::shared_ptr<const CertificateStore> certificates,
                                                    const std::string& listener, Instant now);
  // Opportunistic: certificates are not checked (RFC 7435). With verify, name and chain are.
  static Result<std::shared_ptr<TlsContext>> client(bool verify);
  ~TlsContext();
  // Gives a server new ticket keys when it is time; to be called now and then, from any thread.
  void refresh_tickets(Instant now);
  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  explicit TlsContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class TlsEngine {
 public:
  static std::unique_ptr<TlsEngine> make_server(std::shared_ptr<TlsContext> context);
  static std::unique_ptr<TlsEngine> make_client(std::shared_ptr<TlsContext> context,
                                                const std::string& host_name);
  ~TlsEngine();

  Result<void> feed(std::string_view from_wire);  // an error is final; to_wire() may hold an alert to send
  Result<void> write(std::string_view plain);     // only when established
  std::string to_wire();                          // everything to be sent now
  std::string plain();                            // everything decrypted
  bool established() const;
  bool peer_closed() const;  // close_notify was received
  void close();              // close_notify into to_wire()
  wire::TlsInfo info() const;

 private:
  struct Impl;
  explicit TlsEngine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace relay::net
