// SessionCache: TLS sessions that hosts have given this relay's client, to be taken up again: that saves the
// handshake's signatures, certificates and, with TLS 1.2, a round trip.
//
// A key stands for target and policy together, so that what one policy has let in is never shown to another.
// One may be taken up by several connections, and more than once also with TLS 1.3: what RFC 8446 C.4 would
// hide so, that it is the same client, a relay's address and EHLO say anyway, and many hosts give no other
// when one comes back. One is forgotten some time after the handshake in which the certificate was last
// looked at, however often it was renewed since. Bounded; the longest unused goes first. Thread-safe. Not for
// headers.
#pragma once
#include <cstddef>
#include <list>
#include <map>
#include <mutex>

#include "mta/base/clock.h"
#include "mta/base/secret.h"
#include "mta/net/openssl.h"

namespace relay::net {

class SessionCache {
 public:
  struct Kept {
    Openssl<SSL_SESSION> session;
    Instant checked{};  // when the certificate was
  };
  explicit SessionCache(std::size_t most) : most_(most) {}

  void put(const Digest& key, Kept kept);
  Kept find(const Digest& key, Instant now);  // without a session if there is none
  void drop(const Digest& key);
  std::size_t size() const;

 private:
  struct Entry {
    Digest key;
    Kept kept;
  };
  using Entries = std::list<Entry>;
  void erase(Entries::iterator entry);

  const std::size_t most_;
  mutable std::mutex mutex_;
  Entries entries_;  // the last used first
  std::map<Digest, Entries::iterator> by_key_;
};

}  // namespace relay::net
