// AuthGuard: what failures of authentication lead to, for SMTP and HTTP alike: delays, then a lock-out for a
// while.
//
// Failures count in a sliding window, twice: for the client, which is an IPv4 address or the /64 of an IPv6
// one, as a customer gets at least that much, and for the account or user name given. Further failures are
// answered late; after still more the client is locked out, or the account: then passwords are not looked at,
// right or wrong, and what is tried meanwhile neither counts nor prolongs it.
//
// A client that has lately authenticated for an account is known to it, and for this account counts as a
// client of its own: "192.0.2.1 for acme". It is locked out by what it fails for that account itself, and by
// nothing else. So nobody can lock a customer out: not from elsewhere, which is the trouble with locking out
// accounts as directories do, and not by failing for other accounts from the same address, as of an office or
// a host of many web sites, which is the trouble with locking out addresses alone as fail2ban and Dovecot's
// penalties do. Who fails for the customer's account from the customer's address does lock it out there, as
// nothing tells the two apart. Whom a client is known to outlives the process (KnownClients), as else every
// restart would open that door again; a new client of an account that is attacked has to wait, or an
// administrator lifts it. A success clears what the client has failed, as a known one only for its account;
// the account's failures stay, as they may be another's.
//
// The counts are in memory, lost with the process: at most `tracked` entries of each kind. When one more
// comes, the oldest that is not locked out goes, and only if all are the oldest of those. Thread-safe,
// constant time but for lifting, and no I/O: the file of who is known is written on a thread of its own. The
// clock is the calling loop's. Passwords are not seen here.
#pragma once
#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/loop.h"
#include "mta/base/task_thread.h"
#include "mta/intake/bounded_map.h"
#include "mta/intake/known_clients.h"
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
  std::string subject;  // "192.0.2.1", "2001:db8::/64", "192.0.2.1 for acme"; "acme"
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
  // `known_file`: where it is kept who is known, empty for in memory alone. `now` is the time of the start.
  explicit AuthGuard(AuthGuardSettings settings, std::string known_file = {}, WallTime now = {})
      : settings_(std::move(settings)),
        known_(std::move(known_file), settings_.tracked, settings_.known_time, now, files_) {}

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
  // What the text names (an address also its /64, an account; also as part of "192.0.2.1 for acme") is as if
  // it had not failed. How many lock-outs ended.
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
  // Whose failures these are.
  struct Tried {
    std::string client;        // "192.0.2.1", "192.0.2.1 for acme"
    std::string_view account;  // empty: none, or not concerned, as it knows the client
  };
  Tried tried(const Attempt& attempt, const Loop& loop);

  const AuthGuardSettings settings_;
  std::mutex mutex_;
  std::array<Table, 2> tables_;
  KnownClients known_;
  AuthGuardStats stats_;
  TaskThread files_;  // the last, so that it has ended before what it writes
};

// "until 2026-11-21 22:10:05 UTC", rounded up.
std::string until_words(WallTime until);

}  // namespace relay::intake
