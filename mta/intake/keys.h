// KeyRing: the API keys, checked from any thread without I/O.
//
// A key is "rk_" + 12 characters (its public id) + "_" + 32 characters (160 random bits), base 32; only its
// SHA-256 is kept, compared in constant time. Changes go through the writer and count once committed; readers
// see a consistent snapshot. One change of a key at a time: a second one meanwhile is refused with
// Errc::conflict, as it would not know the first.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mta/base/network.h"
#include "mta/base/rng.h"
#include "mta/intake/key_use.h"
#include "mta/wire/server_dialog.h"
#include "spool/writer.h"

namespace relay::intake {

// A key as it stood when it was asked for. What it has used is the key's, whichever state of it one holds.
struct KnownKey {
  spool::ApiKey key;
  std::vector<Network> networks;  // of its policy
  std::shared_ptr<KeyUse> use;
  std::shared_ptr<Repeats> repeats;  // the account's, of all its keys
};

class KeyRing {
 public:
  static Result<std::unique_ptr<KeyRing>> load(const spool::Store& store, spool::Writer& writer);

  // The identity behind a key, if it is known, not revoked, and `user` (if given) is its id or its account.
  std::optional<wire::Identity> check(std::string_view key_text, std::optional<std::string_view> user) const;

  // Whatever its state, revoked ones too; null if no key has the id. One lock that readers share.
  std::shared_ptr<const KnownKey> find(std::string_view id) const;
  // What may be shown of a user name, and tells it from others: of an account or an id of a key all of it,
  // however that looks; of another text a key or what looks like the secret of one, wherever in it somebody
  // has typed or pasted that, is left out.
  std::string public_name(std::string_view user) const;
  // The account of the key that a user name or a key's text names by its id, whether or not that counts.
  std::optional<std::string> account_named(std::string_view name) const;

  struct Created {
    spool::ApiKey key;
    Secret text;  // shown once
  };
  // A new key, not yet stored.
  static Created make(AccountId account, std::string label, WallTime now, Rng& rng);
  void create(AccountId account, std::string label, spool::KeyPolicy policy, Loop& home, Rng& rng,
              std::move_only_function<void(Result<Created>)> done);
  using Changed = std::move_only_function<void(Result<void>)>;
  // Changes label and policy of the key as it then is, within the call; whether it is to be stored is the
  // answer. What is stored counts for the next message of sessions that are open, too. False, and `done` is
  // not called, if `edit` has said no.
  using Edit = std::function<bool(spool::ApiKey&)>;
  bool set(const KeyId& id, const Edit& edit, Loop& home, Changed done);
  void revoke(const KeyId& id, Loop& home, Changed done);
  std::vector<spool::ApiKey> list() const;

 private:
  KeyRing(spool::Writer& writer, std::vector<spool::ApiKey> keys, std::vector<spool::KeyDay> days,
          bool may_repeat);
  void put(spool::ApiKey key, Loop& home, Changed done);
  bool change(const KeyId& id, const Edit& edit, Loop& home, Changed done);
  std::shared_ptr<Repeats> repeats_of(const AccountId& account);
  void know(spool::ApiKey key);
  struct Changing;
  spool::Writer& writer_;
  const std::shared_ptr<Changing> changing_;  // shared with changes under way, which may outlive this
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<const KnownKey>> keys_;  // by id; under the mutex
  std::unordered_map<std::string, std::shared_ptr<Repeats>> repeats_;      // by account; the same
  const bool may_repeat_;  // the store has idempotency keys of before the process
};

}  // namespace relay::intake
