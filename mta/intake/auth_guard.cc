#include "mta/intake/auth_guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "mta/base/log.h"
#include "mta/base/network.h"

namespace relay::intake {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration first_delay = seconds(1);
constexpr std::size_t name_bytes = 128;  // of a user name: longer than any account's or key's

std::string_view shortened(std::string_view account) { return account.substr(0, name_bytes); }

WallTime wall_at(Instant when, const Loop& loop) {
  return loop.wall() + std::chrono::ceil<milliseconds>(when - loop.now());
}

constexpr std::string_view link = " for ";  // no client's name has it, nor an account's that has a key

std::string known_client(std::string_view client, std::string_view account) {
  return fmt::format("{}{}{}", client, link, account);
}

std::size_t protocol(const AuthGuard::Attempt& attempt) {
  return attempt.origin == spool::Origin::http ? 1 : 0;
}

}  // namespace

std::string_view text(LockoutKind kind) { return kind == LockoutKind::address ? "address" : "account"; }

std::string until_words(WallTime until) {
  const std::string whole = format_rfc3339(std::chrono::ceil<seconds>(until));
  return fmt::format("until {} {} UTC", whole.substr(0, 10), whole.substr(11, 8));
}

AuthGuard::Tried AuthGuard::tried(const Attempt& attempt, const Loop& loop) {
  std::string client = neighbourhood_text(attempt.address);
  const std::string_view account = shortened(attempt.account);
  if (account.empty() || !known_.knows(account, client, loop.wall())) return {std::move(client), account};
  return {known_client(client, account), {}};
}

std::optional<Lockout> AuthGuard::refuses(const Attempt& attempt, const Loop& loop) {
  if (within(settings_.exempt, attempt.address)) return std::nullopt;
  const std::lock_guard lock(mutex_);
  forget_ended(loop.now());
  const Tried who = tried(attempt, loop);
  LockoutKind kind = LockoutKind::address;
  const Instant* until = table(kind).locked.find(who.client);
  if (until == nullptr && !who.account.empty()) {
    kind = LockoutKind::account;
    until = table(kind).locked.find(who.account);
  }
  if (until == nullptr) return std::nullopt;
  ++stats_.refused[protocol(attempt)];
  return Lockout{kind, kind == LockoutKind::address ? who.client : std::string(who.account),
                 wall_at(*until, loop)};
}

Duration AuthGuard::failed(const Attempt& attempt, const Loop& loop) {
  const std::lock_guard lock(mutex_);
  ++stats_.failures[protocol(attempt)];
  if (within(settings_.exempt, attempt.address)) return Duration::zero();
  forget_ended(loop.now());
  const Tried who = tried(attempt, loop);
  std::uint32_t failures = count(LockoutKind::address, who.client, loop);
  if (!who.account.empty()) failures = std::max(failures, count(LockoutKind::account, who.account, loop));
  return delay_after(failures);
}

void AuthGuard::succeeded(const Attempt& attempt, const Loop& loop) {
  const std::lock_guard lock(mutex_);
  table(LockoutKind::address).counting.erase(tried(attempt, loop).client);
  known_.succeeded(shortened(attempt.account), neighbourhood_text(attempt.address), loop.wall(), loop.now());
}

// What has ended stands in front: all windows and all lock-outs are of one length.
void AuthGuard::forget_ended(Instant now) {
  for (Table& one : tables_) {
    while (!one.locked.empty() && one.locked.oldest().value <= now) one.locked.pop_oldest();
    while (!one.counting.empty() && now - one.counting.oldest().value.back() >= settings_.window)
      one.counting.pop_oldest();
  }
}

void AuthGuard::make_room(Table& in) const {
  if (in.counting.size() + in.locked.size() < settings_.tracked) return;
  if (!in.counting.empty())
    in.counting.pop_oldest();
  else
    in.locked.pop_oldest();
}

// How many failures there are now within the window; the last of them locks out.
std::uint32_t AuthGuard::count(LockoutKind kind, std::string_view subject, const Loop& loop) {
  Table& in = table(kind);
  if (in.locked.find(subject) != nullptr)
    return settings_.failures_before_lockout;  // looked at before it began
  if (in.counting.find(subject) == nullptr) make_room(in);
  std::vector<Instant>& failures = in.counting.put(subject);
  std::erase_if(failures, [&](Instant at) { return loop.now() - at >= settings_.window; });
  failures.push_back(loop.now());
  const auto number = static_cast<std::uint32_t>(failures.size());
  if (number < settings_.failures_before_lockout) return number;
  in.counting.erase(subject);
  const Instant until = loop.now() + settings_.lockout_time;
  in.locked.put(subject) = until;
  ++in.lockouts;
  const bool account = kind == LockoutKind::account;
  log::warn("auth: the {} {} is locked out {}{}, after {} failed authentications", text(kind),
            log::printable(subject), until_words(wall_at(until, loop)),
            account ? " for clients that have not lately authenticated for it" : "", number);
  return number;
}

Duration AuthGuard::delay_after(std::uint32_t failures) const {
  if (failures <= settings_.failures_before_delay) return Duration::zero();
  const std::uint32_t doublings = std::min(failures - settings_.failures_before_delay - 1, 20u);
  return std::min(first_delay * (1u << doublings), settings_.longest_delay);
}

std::vector<Lockout> AuthGuard::list(const Loop& loop) {
  const std::lock_guard lock(mutex_);
  forget_ended(loop.now());
  std::vector<Lockout> all;
  for (const LockoutKind kind : {LockoutKind::address, LockoutKind::account})
    for (const auto& entry : table(kind).locked) all.push_back({kind, entry.key, wall_at(entry.value, loop)});
  return all;
}

std::size_t AuthGuard::lift(std::string_view subject, const Loop& loop) {
  const std::string client =
      neighbourhood_text(subject.ends_with("/64") ? subject.substr(0, subject.size() - 3) : subject);
  const std::lock_guard lock(mutex_);
  forget_ended(loop.now());
  std::size_t lifted = 0;
  const std::string as_client = client + std::string(link);
  const std::string as_account = std::string(link) + std::string(shortened(subject));
  const auto named = [&](std::string_view key) {
    return key == client || key == subject || key.starts_with(as_client) || key.ends_with(as_account);
  };
  Table& clients = table(LockoutKind::address);
  clients.counting.erase_if(named);
  lifted += clients.locked.erase_if(named);
  Table& accounts = table(LockoutKind::account);
  accounts.counting.erase(shortened(subject));
  lifted += accounts.locked.erase(shortened(subject)) ? 1 : 0;
  return lifted;
}

std::size_t AuthGuard::lift_all(const Loop& loop) {
  const std::lock_guard lock(mutex_);
  forget_ended(loop.now());
  std::size_t lifted = 0;
  for (Table& one : tables_) {
    lifted += one.locked.size();
    one.locked.clear();
    one.counting.clear();
  }
  return lifted;
}

AuthGuardStats AuthGuard::stats(const Loop& loop) {
  const std::lock_guard lock(mutex_);
  forget_ended(loop.now());
  AuthGuardStats all = stats_;
  for (std::size_t kind = 0; kind < tables_.size(); ++kind) {
    all.lockouts[kind] = tables_[kind].lockouts;
    all.locked_out[kind] = tables_[kind].locked.size();
  }
  return all;
}

}  // namespace relay::intake
