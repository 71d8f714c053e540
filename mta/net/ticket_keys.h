// TicketKeys: what one listener's session tickets (RFC 5077, RFC 8446 4.6.1) are encrypted with: random,
// known to this process only, replaced every `lifetime`. The key before is still good for opening, and the
// client then gets a new ticket; what is older is unknown. So a stolen memory image opens what was sent in
// the last day at most.
//
// Thread-safe. Keys are wiped.
#pragma once
#include <array>
#include <mutex>
#include <optional>

#include "mta/base/clock.h"
#include "mta/base/rng.h"

struct evp_cipher_ctx_st;
struct evp_mac_ctx_st;

namespace relay::net {

class TicketKeys {
 public:
  static constexpr Duration lifetime = std::chrono::hours(12);  // a working day's clients resume; see above
  static constexpr std::size_t name_bytes = 16, vector_bytes = 16;

  explicit TicketKeys(Instant now);
  // Replaces the key if its time is over. To be called now and then.
  void refresh(Instant now);
  // As SSL_CTX_set_tlsext_ticket_key_evp_cb wants it: prepares both contexts to seal (filling in name and
  // vector) or to open. 0: the key is not known. 1: go on. 2: go on, and give a new ticket. -1: an error.
  int prepare(unsigned char* name, unsigned char* vector, evp_cipher_ctx_st* cipher, evp_mac_ctx_st* mac,
              bool seal);

 private:
  struct Key {
    explicit Key(Rng& rng);
    ~Key();
    Key(const Key&) = default;
    Key& operator=(const Key&) = default;
    std::array<std::uint8_t, name_bytes> name;
    std::array<std::uint8_t, 32> cipher, mac;
  };
  std::mutex mutex_;
  SystemRng rng_;
  Key current_;
  std::optional<Key> previous_;
  Instant since_;
};

}  // namespace relay::net
