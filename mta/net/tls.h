// TLS over memory: no socket here. TlsContext holds certificates and settings, shared read-only between
// threads; TlsEngine is one connection's state, fed with bytes from the wire and giving bytes for it. TLS 1.2
// or newer, no renegotiation, no compression. Errors are sentences for the log.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mta/base/result.h"
#include "mta/wire/dialog.h"

namespace relay::net {

class TlsContext {
 public:
  // PEM files: the certificate with its chain, and the key.
  static Result<std::shared_ptr<TlsContext>> server(const std::string& certificate_file,
                                                    const std::string& key_file);
  // Opportunistic: certificates are not checked (RFC 7435). With verify, name and chain are.
  static Result<std::shared_ptr<TlsContext>> client(bool verify);
  ~TlsContext();
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
