#include "mta/base/secret.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <utility>

#include "mta/base/result.h"

namespace relay {

void wipe(std::string& bytes) {
  // Up to the capacity: what was once longer leaves its end behind.
  bytes.resize(bytes.capacity());
  OPENSSL_cleanse(bytes.data(), bytes.size());
  bytes.clear();
}

Secret::Secret(Secret&& other) noexcept : value_(std::move(other.value_)) { wipe(other.value_); }

Secret& Secret::operator=(Secret other) noexcept {
  std::swap(value_, other.value_);
  return *this;
}

Secret::~Secret() { wipe(value_); }

Digest sha256(std::string_view bytes) {
  Digest digest{};
  unsigned size = 0;
  RELAY_ASSERT(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1);
  return digest;
}

bool equal_constant_time(const Digest& a, const Digest& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace relay
