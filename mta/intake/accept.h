// Intake: the one door for all mail, SMTP or HTTP.
//
// accept() checks what every way in must obey, completes the header section (Received first; Date and
// Message-ID if missing, RFC 6409 8.2 and 8.3), takes an id, commits the message with all its recipients, and
// only then answers and hands it to the queue. The rest of the content passes byte for byte. May be called on
// any loop; `done` runs on that loop, never inside the call. Refusals are data: code and sentence, for SMTP
// as they are, for HTTP by code.
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
#include "mta/queue/dispatcher.h"
#include "mta/wire/server_dialog.h"
#include "spool/writer.h"

namespace relay::intake {

struct Submission {
  spool::Origin origin = spool::Origin::smtp;
  wire::Envelope envelope;
  std::shared_ptr<Body> content;  // lines end in CRLF; not dot-stuffed
  wire::Identity who;
  std::vector<std::string> tags;
  // For the Received field (RFC 5321 4.4).
  std::string helo;
  wire::PeerInfo peer;
  std::string protocol;  // "ESMTPSA", "HTTP"... (RFC 3848)
};

struct Accepted {
  MessageId id;
  WallTime at;
};

// Why mail was refused at this door. What SMTP and HTTP refuse for what it is before they have a message is
// not counted here.
enum class Refused {
  no_recipients,
  too_many_recipients,
  too_large,
  header_too_large,
  loop,
  busy,         // too much waits for its commit
  full,         // no room
  unavailable,  // the store cannot be written now
  failed,       // it could not be stored, and will not be before somebody has seen to the store
};
inline constexpr std::size_t refusals = 9;
std::string_view text(Refused reason);  // "too_large"

struct Refusal {
  Refused reason;
  wire::Reply reply;  // as SMTP says it
};
using AcceptResult = std::expected<Accepted, Refusal>;

struct IntakeSettings {
  std::string host_name;  // in Received and in made-up Message-IDs
  std::uint64_t message_bytes = 50u << 20;
  std::uint32_t recipients = 1000;
  std::size_t header_bytes = 256 * 1024;  // of the header section: real ones are under 64 KiB
  std::uint32_t received_hops = 100;      // RFC 5321 6.3: loop detection by counting, at least 100
};

struct IntakeStats {
  std::uint64_t from_smtp = 0, from_http = 0;  // messages accepted
  std::uint64_t recipients = 0, bytes = 0;     // of those
  std::array<std::uint64_t, refusals> refused{};
};

class Intake {
 public:
  // All outlive it. Rng is per call: each loop passes its own.
  Intake(IntakeSettings settings, spool::Writer& writer, queue::Dispatcher& dispatcher)
      : settings_(std::move(settings)), writer_(writer), dispatcher_(dispatcher) {}
  void accept(Submission submission, Loop& home, Rng& rng, std::move_only_function<void(AcceptResult)> done);
  // Whether new mail would be refused now whatever it is, as the store is known to take none: for a way in
  // that can say so before the content is sent. Counts it if so. Any thread.
  std::optional<Refusal> turn_away();
  IntakeStats stats() const;  // any thread

 private:
  void refuse(Refused reason) { add(refused_[static_cast<std::size_t>(reason)], 1); }
  static void add(std::atomic<std::uint64_t>& to, std::uint64_t n) {
    to.fetch_add(n, std::memory_order_relaxed);
  }
  void on_committed(const spool::MessagePtr& message, const Result<void>& committed,
                    std::move_only_function<void(AcceptResult)>& done);
  IntakeSettings settings_;
  spool::Writer& writer_;
  queue::Dispatcher& dispatcher_;
  // A few additions a message, by all loops.
  std::array<std::atomic<std::uint64_t>, 2> accepted_{};  // from SMTP, from HTTP
  std::atomic<std::uint64_t> recipients_{0}, bytes_{0};
  std::array<std::atomic<std::uint64_t>, refusals> refused_{};
};

}  // namespace relay::intake
