// Scheduler: one loop's share of the queue. It owns, for the sites that belong to its loop, every open
// recipient, when each is due, the site's connections and limits, and what becomes of each attempt.
//
// A recipient's way: waiting (due in future) -> ready (in its site's list) -> in flight (in one transaction
// of one connection) -> gone (terminal outcome submitted to the writer), or back to waiting with a new due
// time; held recipients are not in memory's ready or waiting lists but known. The scheduler is the only one
// that changes a recipient between two commits; the store follows. Everything on the loop's thread. Ports:
// Loop, Dialer, Resolver, Writer, Loader, Rng, InFlight; all outlive it. Recipients of one message with the
// same site and due time go in one transaction, at most Settings::recipients_per_transaction. Connections are
// reused while their site has ready mail, closed after Settings::idle. Memory: a waiting recipient costs
// under 200 bytes. Bodies of accepted mail stay for the first attempt, later ones are loaded from the store
// while the connection waits; together they stay under Settings::body_bytes (queue::Bodies).
//
// A site all of whose hosts fail is in back-off: one transaction's recipients are deferred, the rest stay
// ready, untouched, until a single probe finds the site well again. So an outage costs a recipient few of its
// attempts and the site one connection a pause. The due time the store has for those that wait so is past;
// after a restart they are ready again, which is the same.
//
// A failed commit of an outcome is logged by the writer and changes nothing here: what memory knows is true,
// so no recipient is tried twice in this process, but the store may offer it again after a restart. Of such
// outcomes there are never many: while the writer has as many unrecorded ones as Settings::unrecorded,
// whether the store is slow, full, unwritable or failed for good, no transaction begins; what is under way
// goes on to its end. It is looked at every Settings::recheck, so this ends by itself, but for a failed
// store, when it lasts until the restart. A crash thus repeats at most so many deliveries, and those under
// way. Nothing calls back into a scheduler that is gone; connections it leaves end with QUIT.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mta/base/loop.h"
#include "mta/base/rng.h"
#include "mta/dns/resolver.h"
#include "mta/net/dialer.h"
#include "mta/queue/route.h"
#include "mta/queue/shaper.h"
#include "mta/queue/trouble.h"
#include "spool/in_flight.h"
#include "spool/loader.h"
#include "spool/writer.h"

namespace relay::queue {

struct SchedulerSettings {
  std::uint32_t connections_per_site = 20;         // at once; more is rude without knowing the site
  std::uint32_t connections_at_first = 5;          // to a site not known to be well; grows with success
  std::uint32_t messages_per_connection = 100;     // then QUIT: many hosts limit it near there
  std::uint32_t recipients_per_transaction = 100;  // RFC 5321 4.5.3.1.8: every server takes 100
  std::uint32_t connections = 500;                 // all sites of this loop together
  // Of those, per cent, for the first connection of a site that has transactional mail and no connection: so
  // mail for thousands of slow sites never takes all.
  std::uint32_t connections_reserved = 10;
  // How many transactions of an account's transactional mail begin for each of bulk, where both wait.
  std::uint32_t transactional_weight = 10;
  std::uint32_t messages_per_turn = 10;            // on one connection while other sites wait for one
  std::uint32_t addresses_per_attempt = 10;        // of a site's hosts; a domain may publish any number
  Duration hosts_fresh = std::chrono::minutes(1);  // before looked up anew; the resolver knows the TTLs
  Duration host_rest = std::chrono::minutes(5);    // a host that failed is tried last for that long
  // Mail from a domain that says by a null MX that it takes none is refused with 5.7.27 (RFC 7505 4.2), where
  // mail goes by MX. The answer is believed so long, of so many domains (queue::Senders).
  bool refuse_null_mx_senders = true;
  Duration senders_fresh = std::chrono::minutes(10);
  std::size_t senders_known = 10000;
  Duration idle = std::chrono::seconds(5);  // an open connection without mail, before QUIT
  // Content in memory for all deliveries of this loop, kept or loaded (queue::Bodies); relayd divides what is
  // configured among its loops. Less makes deliveries wait for each other and read again what was dropped.
  std::uint64_t body_bytes = 256u << 20;
  // Of very many recipients that come due, expire, are refused or are changed by a command together, so many
  // are worked on before the loop turns to its other sessions: some milliseconds.
  std::uint32_t recipients_per_slice = 1000;
  // Of a content whose size is not known yet so much is read at once; a longer one is asked for again when
  // there is room for all of it.
  std::uint64_t load_unasked_bytes = 64u << 10;
  // Outcomes that the store does not have, of all loops together, with which no transaction begins any more.
  // A second's worth for a fast relay, so that a slow commit does not stop it.
  std::uint64_t unrecorded = 10000;
  Duration recheck = std::chrono::milliseconds(100);  // whether they have become fewer
  RetrySettings retry;
  ShapingSettings shaping;
  std::size_t slow_sites = 10'000;                         // without mail, whose learnt rate is remembered
  std::shared_ptr<const Classifier> classifier = nullptr;  // null: codes mean what they say
  wire::ClientSettings client;
};

// What an administrator selects by. Empty fields select everything; but a retry leaves alone what is
// scheduled for later, unless the message is named.
struct Selection {
  std::optional<MessageId> message;
  std::optional<std::string> domain;
};
enum class Control { retry, hold, release, cancel };
struct ControlResult {
  std::uint32_t changed = 0;
  std::uint32_t in_flight = 0;  // being delivered at this moment, so not changed
  std::uint32_t damaged = 0;    // changed until the next start only: damage keeps it from the store
};

struct SchedulerStats {
  std::uint64_t open = 0, ready = 0, in_flight = 0, held = 0, connections = 0;
  std::uint64_t delivered = 0, deferred = 0, failed = 0, in_doubt = 0;
  std::uint64_t body_bytes = 0, most_body_bytes = 0;  // of content in memory, and the most there ever was
};

class Scheduler {
 public:
  struct Ports {
    Loop& loop;
    net::Dialer& dialer;
    dns::Resolver& resolver;
    spool::Writer& writer;
    spool::Loader& loader;
    const Router& router;
    Rng& rng;
    spool::InFlight* in_flight = nullptr;  // null: attempts under way are noted nowhere
  };
  Scheduler(Ports ports, SchedulerSettings settings);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // A message just committed; `recipients` are the indices whose sites are this loop's. One that is scheduled
  // waits for its time, without its content.
  void enqueue(const spool::MessagePtr& message, const std::vector<std::uint32_t>& recipients);
  // Open recipients that the store had when the process started; what is known already stays as it is.
  void restore(std::span<const spool::QueueEntry> entries);
  // Submits the changes, slice after slice, each when the one before is committed; `done` runs after the
  // last, or after the first error that is not about one recipient alone. Commands on more than one message
  // go one after another. Mail that comes while one is under way may be changed by it or not.
  void control(Control what, const Selection& which,
               std::move_only_function<void(Result<ControlResult>)> done);
  SchedulerStats stats() const;
  // Starts no new transaction; `done` when none is in flight any more and their outcomes are submitted.
  void drain(Task done);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace relay::queue
