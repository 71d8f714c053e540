#include "mta/intake/keys.h"

#include <algorithm>
#include <mutex>
#include <utility>

namespace relay::intake {
namespace {

constexpr std::string_view prefix = "rk_";
constexpr std::size_t id_characters = 12;
constexpr std::size_t secret_bytes = 20;  // 160 bits: 32 characters
constexpr std::size_t secret_characters = 32;

std::string random_text(std::size_t bytes, std::size_t characters, Rng& rng) {
  std::string raw(bytes, '\0');
  rng.fill({reinterpret_cast<std::uint8_t*>(raw.data()), raw.size()});
  std::string text = base32(raw).substr(0, characters);
  wipe(raw);
  return text;
}

// The public id within a key's text, or nothing if it is no key.
std::optional<std::string_view> id_of(std::string_view text) {
  if (text.size() != prefix.size() + id_characters + 1 + secret_characters) return std::nullopt;
  if (!text.starts_with(prefix) || text[prefix.size() + id_characters] != '_') return std::nullopt;
  return text.substr(prefix.size(), id_characters);
}

bool names(std::string_view user, const spool::ApiKey& key) {
  if (user == key.account.value) return true;
  if (user.starts_with(prefix)) user.remove_prefix(prefix.size());
  return user == key.id.value;
}

}  // namespace

KeyRing::KeyRing(spool::Writer& writer, std::vector<spool::ApiKey> keys) : writer_(writer) {
  for (auto& key : keys) {
    std::string id = key.id.value;
    keys_.insert_or_assign(std::move(id), std::move(key));
  }
}

Result<std::unique_ptr<KeyRing>> KeyRing::load(const spool::Store& store, spool::Writer& writer) {
  auto keys = store.keys();
  if (!keys) return std::unexpected(keys.error());
  return std::unique_ptr<KeyRing>(new KeyRing(writer, std::move(*keys)));
}

KeyRing::Created KeyRing::make(AccountId account, std::string label, WallTime now, Rng& rng) {
  Created made;
  made.key.id = KeyId{random_text(8, id_characters, rng)};
  std::string text(prefix);
  text += made.key.id.value + '_';
  std::string secret = random_text(secret_bytes, secret_characters, rng);
  text += secret;
  wipe(secret);
  made.key.account = std::move(account);
  made.key.label = std::move(label);
  made.key.hash = sha256(text);
  made.key.created = now;
  made.text = Secret(std::move(text));
  return made;
}

std::optional<wire::Identity> KeyRing::check(std::string_view key_text,
                                             std::optional<std::string_view> user) const {
  // Hashed before the look-up, so that an unknown id takes as long as a wrong secret.
  Digest digest = sha256(key_text);
  auto id = id_of(key_text);
  if (!id) return std::nullopt;
  std::shared_lock lock(mutex_);
  auto found = keys_.find(std::string(*id));
  if (found == keys_.end()) return std::nullopt;
  const spool::ApiKey& key = found->second;
  if (!equal_constant_time(digest, key.hash) || key.revoked) return std::nullopt;
  if (user && !names(*user, key)) return std::nullopt;
  return wire::Identity{key.account.value, key.id.value};
}

std::string_view KeyRing::public_name(std::string_view user) {
  return user.starts_with(prefix) ? user.substr(0, prefix.size() + id_characters) : user;
}

std::optional<std::string> KeyRing::account_named(std::string_view name) const {
  name = public_name(name);
  if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  std::shared_lock lock(mutex_);
  const auto found = keys_.find(std::string(name));
  if (found == keys_.end()) return std::nullopt;
  return found->second.account.value;
}

void KeyRing::put(spool::ApiKey key, Loop& home, std::move_only_function<void(Result<void>)> done) {
  auto answer = std::make_shared<std::move_only_function<void(Result<void>)>>(std::move(done));
  bool taken = writer_.submit(spool::PutKey{key}, home, [this, key, answer](const Result<void>& committed) {
    if (committed) {
      std::unique_lock lock(mutex_);
      keys_.insert_or_assign(key.id.value, key);
    }
    (*answer)(committed);
  });
  if (!taken)
    home.post([answer] { (*answer)(fail(Errc::full, "too much is waiting to be stored, try again later")); });
}

void KeyRing::create(AccountId account, std::string label, Loop& home, Rng& rng,
                     std::move_only_function<void(Result<Created>)> done) {
  Created made = make(std::move(account), std::move(label), home.wall(), rng);
  spool::ApiKey key = made.key;
  put(std::move(key), home,
      [made = std::move(made), done = std::move(done)](const Result<void>& stored) mutable {
        if (stored) {
          done(std::move(made));
        } else {
          done(std::unexpected(stored.error()));
        }
      });
}

void KeyRing::revoke(KeyId id, Loop& home, std::move_only_function<void(Result<void>)> done) {
  std::optional<spool::ApiKey> key;
  {
    std::shared_lock lock(mutex_);
    if (auto found = keys_.find(id.value); found != keys_.end()) key = found->second;
  }
  if (!key) {
    home.post([done = std::move(done), id = std::move(id)]() mutable {
      done(fail(Errc::not_found, "no key has the id " + id.value));
    });
    return;
  }
  if (!key->revoked) key->revoked = home.wall();  // again: the first time stands
  put(std::move(*key), home, std::move(done));
}

std::vector<spool::ApiKey> KeyRing::list() const {
  std::vector<spool::ApiKey> all;
  {
    std::shared_lock lock(mutex_);
    for (const auto& [id, key] : keys_) all.push_back(key);
  }
  std::ranges::sort(all, {}, [](const spool::ApiKey& key) { return std::pair(key.created, key.id); });
  return all;
}

}  // namespace relay::intake
