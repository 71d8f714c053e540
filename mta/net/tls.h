// TLS over memory: no socket here. TlsContext holds settings, shared between threads; TlsEngine is one
// connection's state, fed with bytes from the wire and giving bytes for it; between two calls it keeps no
// buffer of ours and none of OpenSSL's but for half a record. No renegotiation, no compression. A peer that
// keeps sending what is no data (tickets, key updates, empty records) is cut off. Errors are sentences for
// the log.
//
// A server has one context a listener, shared by all loops: a session that a client brings back (ticket or
// id) is taken up again on any loop of that listener, and on no other listener. Servers choose: TLS 1.2 or
// newer, for 1.2 only ECDHE with AES-GCM or ChaCha20-Poly1305 (RFC 9325 4.2).
//
// Clients keep to a wire::TlsPolicy. Where it demands TLS, 1.2 is the least; where TLS is only opportunistic
// what a host has is taken, 1.0 and short keys too, for what would come instead is clear text, which is
// worse. One context serves all policies; sessions are taken up again with the same host, address and policy
// only.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mta/base/clock.h"
#include "mta/base/result.h"
#include "mta/net/certificates.h"
#include "mta/wire/dialog.h"

namespace relay::net {

struct TlsClientSettings {
  std::string roots_file = {};  // PEM, of the authorities that are trusted; empty: those of the system
  // Sessions kept for hosts to be taken up again; with its certificates each is some 4 KiB. 0: none.
  std::size_t sessions = 1000;
};

class TlsContext {
 public:
  // `listener` names it, and no other of this process. What is in force in the store counts for each
  // handshake.
  static Result<std::shared_ptr<TlsContext>> server(std::shared_ptr<const CertificateStore> certificates,
                                                    const std::string& listener, Instant now);
  static Result<std::shared_ptr<TlsContext>> client(const TlsClientSettings& settings = {});
  ~TlsContext();
  // Gives a server new ticket keys when it is time; to be called now and then, from any thread.
  void refresh_tickets(Instant now);
  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  explicit TlsContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Whom a client's session is with.
struct TlsRemote {
  std::string host;          // for SNI, and the name it must prove unless the policy has others
  std::string address = {};  // and port: where its sessions are good, together with the host
  wire::TlsPolicy policy = {};
};

class TlsEngine {
 public:
  static std::unique_ptr<TlsEngine> make_server(std::shared_ptr<TlsContext> context);
  static std::unique_ptr<TlsEngine> make_client(std::shared_ptr<TlsContext> context, const TlsRemote& remote,
                                                Instant now);
  ~TlsEngine();

  Result<void> feed(std::string_view from_wire);  // an error is final; to_wire() may hold an alert to send
  Result<void> write(std::string_view plain);     // only when established
  std::string to_wire();                          // everything to be sent now
  std::string plain();                            // everything decrypted
  bool established() const;
  bool peer_closed() const;  // close_notify was received
  void close();              // close_notify into to_wire()
  wire::TlsInfo info() const;
  // What a client's handshake failed by.
  std::optional<wire::TlsProblem> problem() const;
  struct Impl;

 private:
  explicit TlsEngine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace relay::net
