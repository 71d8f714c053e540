#include "mta/intake/keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <unordered_set>
#include <utility>

#include "mta/wire/ascii.h"

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

// In place of what is not to be seen; equal for equal texts.
std::string hidden(std::string_view text) {
  const Digest digest = sha256(text);
  return fmt::format("[hidden {:02x}{:02x}{:02x}{:02x}]", digest[0], digest[1], digest[2], digest[3]);
}

// Letters and digits of base 32 in a row, some of each, that are more than half a secret: hardly a name.
bool like_secret(std::string_view word) {
  return word.size() > secret_characters / 2 && std::ranges::any_of(word, wire::is_digit) &&
         !std::ranges::all_of(word, wire::is_digit) &&
         std::ranges::none_of(word, [](char c) { return std::string_view("iloILOuU").contains(c); });
}

std::string without_secrets(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const auto end = std::ranges::find_if_not(text, wire::is_alphanumeric) - text.begin();
    const std::string_view word = text.substr(0, static_cast<std::size_t>(end));
    shown += like_secret(word) ? hidden(word) : std::string(word);
    text.remove_prefix(word.size());
    if (text.empty()) break;
    shown += text.front();
    text.remove_prefix(1);
  }
  return shown;
}

// From the beginning of a key on nothing but its id is shown.
std::string without_keys(std::string_view user) {
  for (std::size_t at = 0; at + prefix.size() + id_characters <= user.size(); ++at) {
    if (!wire::equal_ignoring_case(user.substr(at, prefix.size()), prefix)) continue;
    std::string_view after = user.substr(at + prefix.size());
    if (!std::ranges::all_of(after.substr(0, id_characters), wire::is_alphanumeric)) continue;
    std::string name = without_secrets(user.substr(0, at)).append(user, at, prefix.size());
    const bool whole = after.size() == id_characters || after[id_characters] == '_';
    return whole ? name.append(after, 0, id_characters) : name.append(hidden(after));
  }
  return without_secrets(user);
}

// What cannot be read lets nobody in: no program has written it.
std::vector<Network> networks_of(const spool::KeyPolicy& policy) {
  std::vector<Network> networks;
  for (const auto& text : policy.networks)
    if (const auto network = Network::parse(text)) networks.push_back(*network);
  return networks;
}

bool names(std::string_view user, const spool::ApiKey& key) {
  if (user == key.account.value) return true;
  if (user.starts_with(prefix)) user.remove_prefix(prefix.size());
  return user == key.id.value;
}

}  // namespace

struct KeyRing::Changing {
  std::mutex mutex;
  std::unordered_set<std::string> ids;  // under the mutex

  bool begin(const KeyId& id) {
    const std::lock_guard lock(mutex);
    return ids.insert(id.value).second;
  }
  void end(const KeyId& id) {
    const std::lock_guard lock(mutex);
    ids.erase(id.value);
  }
};

KeyRing::KeyRing(spool::Writer& writer, std::vector<spool::ApiKey> keys, std::vector<spool::KeyDay> days,
                 bool may_repeat)
    : writer_(writer), changing_(std::make_shared<Changing>()), may_repeat_(may_repeat) {
  std::unordered_map<std::string, spool::KeyDay> sent;
  for (auto& day : days) sent.emplace(day.key.value, day);
  for (auto& key : keys) {
    const spool::KeyDay day = sent[key.id.value];
    std::string id = key.id.value;
    auto networks = networks_of(key.policy);
    auto repeats = repeats_of(key.account);
    keys_.insert_or_assign(std::move(id),
                           std::make_shared<const KnownKey>(std::move(key), std::move(networks),
                                                            std::make_shared<KeyUse>(day.day, day.messages),
                                                            std::move(repeats)));
  }
}

Result<std::unique_ptr<KeyRing>> KeyRing::load(const spool::Store& store, spool::Writer& writer) {
  auto keys = store.keys();
  if (!keys) return std::unexpected(keys.error());
  auto days = store.key_days();
  if (!days) return std::unexpected(days.error());
  const auto counts = store.counts();
  const bool may_repeat = !counts || counts->idempotency_keys > 0;
  return std::unique_ptr<KeyRing>(new KeyRing(writer, std::move(*keys), std::move(*days), may_repeat));
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
  const auto known = find(*id);
  if (!known) return std::nullopt;
  const spool::ApiKey& key = known->key;
  if (!equal_constant_time(digest, key.hash) || key.revoked) return std::nullopt;
  if (user && !names(*user, key)) return std::nullopt;
  return wire::Identity{key.account.value, key.id.value};
}

std::string KeyRing::public_name(std::string_view user) const {
  std::shared_lock lock(mutex_);
  const std::string name(user);
  if (keys_.contains(name) || repeats_.contains(name)) return name;
  lock.unlock();
  return without_keys(user);
}

std::optional<std::string> KeyRing::account_named(std::string_view name) const {
  if (name.starts_with(prefix)) name = name.substr(prefix.size(), id_characters);
  std::shared_lock lock(mutex_);
  const auto found = keys_.find(std::string(name));
  if (found == keys_.end()) return std::nullopt;
  return found->second->key.account.value;
}

std::shared_ptr<const KnownKey> KeyRing::find(std::string_view id) const {
  std::shared_lock lock(mutex_);
  const auto found = keys_.find(std::string(id));
  return found == keys_.end() ? nullptr : found->second;
}

// Under the mutex, or before anybody else can be there.
std::shared_ptr<Repeats> KeyRing::repeats_of(const AccountId& account) {
  auto& repeats = repeats_[account.value];
  if (!repeats) repeats = std::make_shared<Repeats>(may_repeat_);
  return repeats;
}

// A key that is stored now.
void KeyRing::know(spool::ApiKey key) {
  auto known = std::make_shared<KnownKey>();
  known->networks = networks_of(key.policy);
  known->key = std::move(key);
  std::unique_lock lock(mutex_);
  auto& place = keys_[known->key.id.value];
  known->use = place ? place->use : std::make_shared<KeyUse>();
  known->repeats = repeats_of(known->key.account);
  const spool::KeyPolicy& policy = known->key.policy;
  if (place && (place->key.policy.rate != policy.rate || place->key.policy.burst != policy.burst))
    known->use->forget_rate();  // what was waited for at the old rate says nothing of the new one
  place = std::move(known);
}

void KeyRing::put(spool::ApiKey key, Loop& home, Changed done) {
  auto answer = std::make_shared<Changed>(std::move(done));
  bool taken = writer_.submit(spool::PutKey{key}, home, [this, key, answer](const Result<void>& committed) {
    if (committed) know(key);
    (*answer)(committed);
  });
  if (!taken)
    home.post([answer] { (*answer)(fail(Errc::full, "too much is waiting to be stored, try again later")); });
}

void KeyRing::create(AccountId account, std::string label, spool::KeyPolicy policy, Loop& home, Rng& rng,
                     std::move_only_function<void(Result<Created>)> done) {
  Created made = make(std::move(account), std::move(label), home.wall(), rng);
  made.key.policy = std::move(policy);
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

// The key is this change's alone until it is stored or given up, however that comes about: nothing another
// has changed meanwhile is lost.
bool KeyRing::change(const KeyId& id, const Edit& edit, Loop& home, Changed done) {
  const auto refuse = [&](Errc code, std::string why) {
    home.post([done = std::move(done), result = Result<void>(fail(code, std::move(why)))]() mutable {
      done(result);
    });
    return true;
  };
  if (!find(id.value)) return refuse(Errc::not_found, "no key has the id " + id.value);
  if (!changing_->begin(id)) return refuse(Errc::conflict, "this key is being changed just now, try again");
  const auto release = [id, changing = changing_](Changing*) { changing->end(id); };
  std::unique_ptr<Changing, decltype(release)> mine(changing_.get(), release);
  spool::ApiKey key = find(id.value)->key;  // as the change before has left it
  if (!edit(key)) return false;
  put(std::move(key), home,
      [mine = std::move(mine), done = std::move(done)](const Result<void>& stored) mutable {
        mine.reset();
        done(stored);
      });
  return true;
}

bool KeyRing::set(const KeyId& id, const Edit& edit, Loop& home, Changed done) {
  return change(id, edit, home, std::move(done));
}

void KeyRing::revoke(const KeyId& id, Loop& home, Changed done) {
  change(
      id,
      [&](spool::ApiKey& key) {
        if (!key.revoked) key.revoked = home.wall();  // again: the first time stands
        return true;
      },
      home, std::move(done));
}

std::vector<spool::ApiKey> KeyRing::list() const {
  std::vector<spool::ApiKey> all;
  {
    std::shared_lock lock(mutex_);
    for (const auto& [id, known] : keys_) all.push_back(known->key);
  }
  std::ranges::sort(all, {}, [](const spool::ApiKey& key) { return std::pair(key.created, key.id); });
  return all;
}

}  // namespace relay::intake
