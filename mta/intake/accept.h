// Intake: the one door for all mail, SMTP or HTTP.
//
// accept() checks what every way in must obey, takes the X-Relay-* fields out of mail by SMTP (attributes.h),
// completes the header section (Received first; Date and Message-ID if missing, RFC 6409 8.2 and 8.3), takes
// an id, commits the message with all its recipients, and only then answers and hands it to the queue. The
// rest of the content passes byte for byte. A message of the sandbox is committed as delivered and handed to
// nobody. One with an idempotency key that its account has used within the window is answered with the id of
// the message that had it; if that is being committed, then when it is, unless too many wait for it. A key's
// rate and day are asked after that, so that a message that was accepted is never refused for them when it
// comes again. May be called on any loop; `done` runs on that loop, never inside the call. Refusals are data:
// code and sentence, for SMTP as they are, for HTTP by code.
#pragma once
#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mta/base/loop.h"
#include "mta/base/rng.h"
#include "mta/intake/attributes.h"
#include "mta/intake/keys.h"
#include "mta/intake/once.h"
#include "mta/queue/dispatcher.h"
#include "mta/wire/headers.h"
#include "mta/wire/server_dialog.h"
#include "spool/store.h"
#include "spool/writer.h"

namespace relay::intake {

struct Submission {
  spool::Origin origin = spool::Origin::smtp;
  wire::Envelope envelope;
  std::shared_ptr<Body> content;  // lines end in CRLF; not dot-stuffed
  wire::Identity who;
  Attributes attributes;         // by SMTP its X-Relay-* fields say them
  std::optional<WallTime> hold;  // FUTURERELEASE (RFC 4865)
  // For the Received field (RFC 5321 4.4).
  std::string helo;
  wire::PeerInfo peer;
  std::string protocol;  // "ESMTPSA", "HTTP"... (RFC 3848)
};

struct IntakeSettings {
  std::string host_name;  // in Received and in made-up Message-IDs
  std::uint64_t message_bytes = 50u << 20;
  std::uint32_t recipients = 1000;
  std::size_t header_bytes = 256 * 1024;  // of the header section: real ones are under 64 KiB
  std::uint32_t received_hops = 100;      // RFC 5321 6.3: loop detection by counting, at least 100
  std::uint32_t mime_depth = 100;         // MIME parts in each other: readers fail far beyond real mail's 10
  AttributeLimits attributes = {};
  // How far ahead a message may be scheduled; its content waits on the disk. Zero: not at all.
  Duration schedule_ahead = std::chrono::hours(24 * 30);
  // How long a message answers for others with its idempotency key: longer than clients try again.
  Duration idempotency_window = std::chrono::hours(24);
};

struct IntakeStats {
  std::uint64_t from_smtp = 0, from_http = 0;  // messages accepted
  std::uint64_t recipients = 0, bytes = 0;     // of those
  std::uint64_t repeated = 0;                  // answered with a message that had the same key
  std::array<std::uint64_t, refusals> refused{};
};

class Intake {
 public:
  // All outlive it. Rng is per call: each loop passes its own.
  Intake(IntakeSettings settings, spool::Writer& writer, const spool::Store& store,
         queue::Dispatcher& dispatcher, const KeyRing& keys)
      : settings_(std::move(settings)),
        writer_(writer),
        store_(store),
        dispatcher_(dispatcher),
        keys_(keys) {}
  void accept(Submission submission, Loop& home, Rng& rng, Answer done);
  // What FUTURERELEASE (RFC 4865) offers now; nothing if nothing may be scheduled. Any thread.
  std::optional<wire::Allowance::Release> release(WallTime now) const;
  // Whether new mail would be refused now whatever it is, as the store is known to take none: for a way in
  // that can say so before the content is sent. Counts it if so. Any thread.
  std::optional<Refusal> turn_away();
  // The same for a key's policy and what it has used, as far as it is known before the content: of a message,
  // with its reverse-path if that is known, and of a client that shows the key. Takes nothing of the key's
  // limits; accept() asks all of it again. Rate and day, if they are used up, only refuse a message of an
  // account of which no message with an idempotency key has come within the window: else it may be one that
  // comes again, which the header section alone says. On the loop.
  std::optional<Refusal> turn_away(const wire::Identity& who, std::optional<std::string_view> reverse_path,
                                   const Loop& home);
  std::optional<Refusal> turn_away_client(const wire::Identity& who, std::string_view address);
  void narrow(const wire::Identity& who, wire::Allowance& allowed) const;  // to the key's own limits
  IntakeStats stats() const;                                               // any thread

 private:
  void refuse(Refused reason) { add(refused_[static_cast<std::size_t>(reason)], 1); }
  static void add(std::atomic<std::uint64_t>& to, std::uint64_t n) {
    to.fetch_add(n, std::memory_order_relaxed);
  }
  using KeyPtr = std::shared_ptr<const KnownKey>;
  std::optional<Refusal> counted(std::optional<Refusal> refused, const wire::Identity& who);
  std::optional<Refusal> look_at(Submission& submission, const KnownKey* key, wire::HeaderScan& headers,
                                 WallTime now) const;
  std::optional<Refusal> check_policy(const KnownKey& key, const Submission& submission) const;
  struct Pending;  // a message with an idempotency key
  void accept_once(const std::shared_ptr<Pending>& pending);
  void accept_in_turn(const std::shared_ptr<Pending>& pending, Once::Turn turn);
  void answer_again(Pending& pending, const Accepted& first);
  void commit(spool::MessagePtr message, KeyPtr key, Loop& home, Answer done);
  void on_committed(const spool::MessagePtr& message, const Result<void>& committed, Answer& done);
  IntakeSettings settings_;
  spool::Writer& writer_;
  const spool::Store& store_;
  queue::Dispatcher& dispatcher_;
  const KeyRing& keys_;
  Once once_;
  // A few additions a message, by all loops.
  std::array<std::atomic<std::uint64_t>, 2> accepted_{};  // from SMTP, from HTTP
  std::atomic<std::uint64_t> recipients_{0}, bytes_{0}, repeated_{0};
  std::array<std::atomic<std::uint64_t>, refusals> refused_{};
};

}  // namespace relay::intake
