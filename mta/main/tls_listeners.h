// TlsListeners: relayd's certificates, and the TLS of each of its listeners, which all loops share. A timer
// on one loop looks for changed files and gives out new ticket keys.
//
// Built before any loop runs; contexts and store may then be used on every thread. Outlives the loops.
#pragma once
#include <cstddef>
#include <memory>
#include <vector>

#include "conf/config.h"
#include "mta/base/loop.h"
#include "mta/net/tls.h"

namespace relay {

class TlsListeners {
 public:
  // Reads the certificates; an error names the file.
  static Result<std::unique_ptr<TlsListeners>> make(const conf::Config& config, WallTime wall, Instant now);

  // By the index in the configuration; null where there is no TLS.
  const std::shared_ptr<net::TlsContext>& submission(std::size_t index) const {
    return submission_.at(index);
  }
  const std::shared_ptr<net::TlsContext>& inbound(std::size_t index) const { return inbound_.at(index); }
  const std::shared_ptr<net::TlsContext>& http(std::size_t index) const { return http_.at(index); }
  net::CertificateStore* certificates() const { return certificates_.get(); }  // null if there are none
  // From the loop, or before it runs.
  void watch(Loop& loop);

 private:
  explicit TlsListeners(Duration check_interval) : check_interval_(check_interval) {}
  const Duration check_interval_;
  std::shared_ptr<net::CertificateStore> certificates_;
  std::vector<std::shared_ptr<net::TlsContext>> submission_, inbound_, http_;
};

}  // namespace relay
