#include "mta/net/ticket_keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <span>

namespace relay::net {

TicketKeys::Key::Key(Rng& rng) {
  rng.fill(name);
  rng.fill(cipher);
  rng.fill(mac);
}

TicketKeys::Key::~Key() {
  OPENSSL_cleanse(cipher.data(), cipher.size());
  OPENSSL_cleanse(mac.data(), mac.size());
}

TicketKeys::TicketKeys(Instant now) : current_(rng_), since_(now) {}

void TicketKeys::refresh(Instant now) {
  const std::lock_guard lock(mutex_);
  if (now - since_ < lifetime) return;
  // After a long sleep the last key is as old as one before it would be.
  if (now - since_ < 2 * lifetime)
    previous_ = current_;
  else
    previous_.reset();
  current_ = Key(rng_);
  since_ = now;
}

int TicketKeys::prepare(unsigned char* name, unsigned char* vector, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                        bool seal) {
  const std::lock_guard lock(mutex_);
  const Key* key = &current_;
  if (seal) {
    std::ranges::copy(key->name, name);
    rng_.fill({vector, vector_bytes});
  } else if (!std::ranges::equal(key->name, std::span(name, name_bytes))) {
    if (!previous_ || !std::ranges::equal(previous_->name, std::span(name, name_bytes))) return 0;
    key = &*previous_;
  }
  auto secret = key->mac;
  char digest[] = "SHA256";
  const OSSL_PARAM how[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret.data(), secret.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  const bool ready =
      EVP_MAC_CTX_set_params(mac, how) == 1 &&
      EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->cipher.data(), vector, seal ? 1 : 0) == 1;
  OPENSSL_cleanse(secret.data(), secret.size());
  if (!ready) return -1;
  return key == &current_ ? 1 : 2;
}

}  // namespace relay::net
