// AuthGuard: what failures of authentication lead to, for SMTP and HTTP alike: delays, then a lock-out for a
// while.
//
// Failures count in a sliding window, twice: for the client, which is an IPv4 address or the /64 of an IPv6
// one, as a customer gets at least that much, and for the account or user name given. Further failures are
// answered late; after still more the client is locked out, or the account: then passwords are not looked at,
// right or wrong, and what is tried meanwhile neither counts nor prolongs it. So that nobody can lock a
// customer out from elsewhere, an account is never locked out for clients that have lately authenticated for
// it. A success clears what the client has failed; the account's failures stay, as they may be another's.
//
// All in memory, lost with the process: at most `tracked` entries of each kind. When one more comes, the
// oldest that is not locked out goes, and only if all are the oldest of those. Thread-safe, constant time;
// the clock is the calling loop's. Passwords are not seen here.
#pragma once
#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/loop.h"
#include "mta/intake/bounded_map.h"
#include "spool/types.h"

namespace relay::intake {

struct AuthGuardSettings {
  Duration window = std::chrono::minutes(15);  // in which failures count together
  std::uint32_t failures_before_delay = 3;     // answered at once: a mistyped key, pasted again
  Duration longest_delay =
      std::chrono::seconds(8);  // begins with 1 s and doubles; under what clients wait for
  // Well over what a person tries, and what programs with an old key do before somebody looks.
  std::uint32_t failures_before_lockout = 10;
  Duration lockout_time = std::chrono::minutes(15);  // 40 tries an hour are hopeless against 160 bits
  Duration known_time =
      std::chrono::hours(24 * 7);     // after a success a client is known so long to the account
  std::vector<std::string> exempt{};  // clients that are never counted: networks, or "loopback"
  std::uint32_t tracked = 100'000;    // clients, accounts, and known pairs: about 300 bytes each at most
};

enum class LockoutKind { address, account };
std::string_view text(LockoutKind kind);  // "address"

struct Lockout {
  LockoutKind kind = LockoutKind::address;
  std::string subject;  // "192.0.2.1", "2001:db8::/64", "acme"
  WallTime until;
};

struct AuthGuardStats {
  // By SMTP, by HTTP.
  std::array<std::uint64_t, 2> failures{}, refused{};  // wrong; not looked at
  // By LockoutKind.
  std::array<std::uint64_t, 2> lockouts{}, locked_out{};  // begun; in force
};

class AuthGuard {
 public:
  explicit AuthGuard(AuthGuardSettings settings) : settings_(std::move(settings)) {}

  // Who tries, from where. `account` may be any text, or empty where none is given.
  struct Attempt {
    spool::Origin origin = spool::Origin::smtp;
    std::string_view address;
    std::string_view account;
  };
  // The lock-out that forbids looking at the password, if there is one; counted then.
  std::optional<Lockout> refuses(const Attempt& attempt, const Loop& loop);
  // How long the answer is to wait. Logs a lock-out that begins with it.
  Duration failed(const Attempt& attempt, const Loop& loop);
  void succeeded(const Attempt& attempt, const Loop& loop);

  std::vector<Lockout> list(const Loop& loop);  // clients first, the one that ends first before the others
  // What the text names (an address also its /64, an account) is as if it had not failed. How many lock-outs
  // ended.
  std::size_t lift(std::string_view subject, const Loop& loop);
  std::size_t lift_all(const Loop& loop);
  AuthGuardStats stats(const Loop& loop);

 private:
  // Of one kind. What is locked out stands apart, and what was counted is forgotten with it.
  struct Table {
    BoundedMap<std::vector<Instant>> counting;  // at most failures_before_lockout each, ascending
    BoundedMap<Instant> locked;                 // until when; in order of their ends, as all last as long
    std::uint64_t lockouts = 0;
  };
  Table& table(LockoutKind kind) { return tables_[static_cast<std::size_t>(kind)]; }
  void forget_ended(Instant now);
  void make_room(Table& in) const;
  std::uint32_t count(LockoutKind kind, std::string_view subject, const Loop& loop);
  Duration delay_after(std::uint32_t failures) const;
  bool knows(std::string_view account, std::string_view client, Instant now);

  const AuthGuardSettings settings_;
  std::mutex mutex_;
  std::array<Table, 2> tables_;
  BoundedMap<Instant> known_;  // account and client: the last success
  AuthGuardStats stats_;
};

// "until 2026-11-21 22:10:05 UTC", rounded up.
std::string until_words(WallTime until);

}  // namespace relay::intake
