#include "mta/net/session_cache.h"

#include <utility>

namespace relay::net {
namespace {

// As long as the relay's own listeners let a client come back.
constexpr Duration good_for = std::chrono::hours(2);

}  // namespace

void SessionCache::put(const Digest& key, Kept kept) {
  const std::lock_guard lock(mutex_);
  if (const auto found = by_key_.find(key); found != by_key_.end()) erase(found->second);
  if (most_ == 0) return;
  if (entries_.size() >= most_) erase(std::prev(entries_.end()));
  entries_.push_front({key, std::move(kept)});
  by_key_.emplace(key, entries_.begin());
}

SessionCache::Kept SessionCache::find(const Digest& key, Instant now) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return {};
  const auto entry = found->second;
  if (now >= entry->kept.checked + good_for) {
    erase(entry);
    return {};
  }
  entries_.splice(entries_.begin(), entries_, entry);
  // A copy: what a connection writes into its session is its own.
  return {Openssl<SSL_SESSION>(SSL_SESSION_dup(entry->kept.session.get())), entry->kept.checked};
}

void SessionCache::drop(const Digest& key) {
  const std::lock_guard lock(mutex_);
  if (const auto found = by_key_.find(key); found != by_key_.end()) erase(found->second);
}

std::size_t SessionCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

void SessionCache::erase(Entries::iterator entry) {
  by_key_.erase(entry->key);
  entries_.erase(entry);
}

}  // namespace relay::net
