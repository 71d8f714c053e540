// KeyRing: the API keys, checked from any thread without I/O.
//
// A key is "rk_" + 12 characters (its public id) + "_" + 32 characters (160 random bits), base 32; only its
// SHA-256 is kept, compared in constant time. Changes go through the writer and count once committed; readers
// see a consistent snapshot.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mta/base/rng.h"
#include "mta/wire/server_dialog.h"
#include "spool/writer.h"

namespace relay::intake {

class KeyRing {
 public:
  static Result<std::unique_ptr<KeyRing>> load(const spool::Store& store, spool::Writer& writer);

  // The identity behind a key, if it is known, not revoked, and `user` (if given) is its id or its account.
  std::optional<wire::Identity> check(std::string_view key_text, std::optional<std::string_view> user) const;

  // What may be shown of a user name: not the secret of a key that was given as one.
  static std::string_view public_name(std::string_view user);
  // The account of the key that a user name or a key's text names by its id, whether or not that counts.
  std::optional<std::string> account_named(std::string_view name) const;

  struct Created {
    spool::ApiKey key;
    Secret text;  // shown once
  };
  // A new key, not yet stored.
  static Created make(AccountId account, std::string label, WallTime now, Rng& rng);
  void create(AccountId account, std::string label, Loop& home, Rng& rng,
              std::move_only_function<void(Result<Created>)> done);
  void revoke(KeyId id, Loop& home, std::move_only_function<void(Result<void>)> done);
  std::vector<spool::ApiKey> list() const;

 private:
  KeyRing(spool::Writer& writer, std::vector<spool::ApiKey> keys);
  void put(spool::ApiKey key, Loop& home, std::move_only_function<void(Result<void>)> done);
  spool::Writer& writer_;
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, spool::ApiKey> keys_;  // by id
};

}  // namespace relay::intake
