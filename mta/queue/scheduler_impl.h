// The inside of Scheduler, cut by idea: scheduler.cc (mail in, time, draining), scheduler_sites.cc (which
// site gets connections, look-ups, back-off), scheduler_delivery.cc (one connection from dial to end),
// scheduler_loading.cc (the content for its transaction), scheduler_outcome.cc (what became of an attempt,
// into store and log), scheduler_control.cc (the administrator).
//
// Every way in (public call, timer, answer of a port) changes the tables, marks the sites it touched and ends
// with settle(), which looks at each marked site once. Callbacks carry slot and generation and a weak token,
// so one that comes late finds nothing.
#pragma once
#include <array>
#include <deque>
#include <map>

#include "mta/queue/bodies.h"
#include "mta/queue/connection_line.h"
#include "mta/queue/due_heap.h"
#include "mta/queue/open_recipients.h"
#include "mta/queue/scheduler.h"
#include "mta/queue/senders.h"
#include "mta/queue/site.h"

namespace relay::queue {

// What has become of an attempt, for recipients that shared it.
struct Attempt {
  Disposition disposition = Disposition::deferred;
  spool::Event event;          // without type, time and recipient
  std::optional<Class> about;  // of a refusal
};

struct Connection {
  enum class State { opening, loading, busy, idle, closing };
  enum class Afterwards { close, again, next_target };  // what follows the end of this session
  Slot site = no_slot;
  State state = State::opening;
  Afterwards afterwards = Afterwards::close;
  net::SessionId session;
  std::vector<net::Target> targets;
  std::size_t at = 0;              // in targets
  bool without_tls = false;        // the handshake with this target has failed
  bool helo_only = false;          // it hung up at EHLO
  bool established = false;        // this session's greeting and EHLO were good
  std::uint32_t transactions = 0;  // started on this session
  bool has_rested = false;         // this session has been idle, so its host may have ended it meanwhile
  std::vector<Slot> recipients;    // in flight with it, in the order of the transaction
  Slot body = no_slot;             // the content for them, in memory or awaited
  std::shared_ptr<std::vector<spool::Ticket>> tickets;  // in that order; empty until its content ends
  Instant started;                                      // the attempt
  std::optional<Attempt> refusal;  // why a host did not do, kept while others of its site are tried
  TimerId idle_timer;
  Instant idle_since;
};

// A content that is to be read, and the room it needs.
struct Load {
  Handle body;
  MessageId message;
  std::uint64_t bytes = 0;
};

struct Scheduler::Impl {
  Impl(Ports p, SchedulerSettings s);
  static void say_goodbye(const Ports& ports, net::SessionId session);
  ~Impl();

  // ---- scheduler.cc
  void enqueue(const spool::MessagePtr& message, const std::vector<std::uint32_t>& recipients);
  void restore(std::span<const spool::QueueEntry> entries);
  void drain(Task done);
  void check_drained();
  Slot domain_for(const std::string& name);
  void put(Slot recipient, Place place, Instant due = never);
  std::uint32_t weight_of(Slot recipient) const;
  void forget(Slot recipient);
  void mark(Slot site);
  void settle();
  void arm();
  void on_wake();
  bool paused();
  void recheck();
  std::weak_ptr<int> alive() const { return alive_; }
  Instant instant_of(WallTime t) const;
  WallTime wall_of(Instant t) const;
  template <class F>
  auto guarded(F f) {  // runs only while the scheduler lives
    return [alive = std::weak_ptr<int>(alive_), f = std::move(f)](auto&&... args) mutable {
      if (!alive.expired()) f(std::forward<decltype(args)>(args)...);
    };
  }

  // ---- scheduler_sites.cc
  void pump(Slot site);
  void pump_in_line();
  bool wants_connection(Slot site);
  std::uint32_t hopeful(const Site& site) const;
  bool room_for_connection(Slot site);
  std::uint32_t common_connections() const;
  bool may_use_reserve(const Site& site) const;
  void stand_in_line(Slot site);
  void open_from_line(Slot site);
  bool others_wait() const { return !line.empty() || !reserved_line.empty(); }
  void look_up(Slot site);
  void on_hosts(Slot site, dns::MailHosts found, std::uint16_t port);
  void note_route(const net::Target& target, const wire::Fact& fact);
  void refuse_all_ready(Slot site, std::string detail);
  void refuse_some(Slot site);
  void site_failed(Slot site, const Attempt& refusal, std::vector<Slot> recipients,
                   const spool::MessagePtr& message);
  void site_well(Slot site, Instant began);
  void slow_down(const Connection& c, const Verdict& verdict, const wire::Fact& fact);
  bool may_begin(Slot site);
  std::uint32_t useful_connections(const Site& site) const;
  void remember(const Site& site);
  void back_off(Slot site, const std::string& why);
  void unblock(Slot site);
  void expire_ready(Slot site, const std::string& why);
  void next_expiring(Site& site);
  void expire_some(Slot site, const std::string& why);
  void forget_if_unused(Slot site);
  std::vector<Slot> take_ready(Slot site);

  // ---- scheduler_delivery.cc
  void open(Slot site);
  void dial(Slot connection);
  void on_progress(Handle connection, net::SessionId session);
  void on_finished(Slot connection, const wire::ClientDialog& dialog);
  void on_over(Slot connection);
  void on_result(Slot connection, const wire::TransactionResult& result);
  void broke_off(const Connection& c);
  void next(Slot connection);
  bool sender_known(Slot connection);
  void start(Slot connection);
  void note(Connection& c, wire::Transaction& transaction);
  void rest(Slot connection);
  void quit(Slot connection);
  void give_back(Slot connection);
  void close(Slot connection);
  void stop_idling(Connection& c);
  wire::ClientSettings client_settings(const Connection& c) const;
  bool retry_otherwise(Connection& c, const wire::Fact& fact, bool tls) const;

  // ---- scheduler_loading.cc
  bool take_message(Slot connection);
  void begin(Slot connection);
  void load_what_fits();
  void on_loaded(const Load& load, Result<spool::MessagePtr> loaded);
  void unreadable(Slot connection, const Error& error);
  void release(Connection& c);
  void ended_while_loading(Connection& c);
  bool withdraw(Slot recipient);

  // ---- scheduler_outcome.cc
  Verdict judge_of(const Connection& c, const wire::Fact& fact) const;
  spool::Event event_of(const wire::Fact& fact, const Verdict& verdict, const Connection& c, bool tls) const;
  void refused(Connection& c, const wire::Fact& fact, bool tls);
  // One pause for recipients that failed together with as many attempts, and were asked to wait as long, so
  // that they stay together.
  using Pauses = std::map<std::pair<std::uint32_t, Duration>, Duration>;
  void conclude(Slot recipient, Attempt attempt, Pauses& pauses, const spool::MessagePtr& message,
                spool::Ticket ticket = 0);
  void defer(Slot recipient, Attempt attempt, Pauses& pauses, const std::string& address,
             spool::Ticket ticket);
  void expire(Slot recipient, const std::string& why, const std::string& address);
  void finish(Slot recipient, Attempt attempt, spool::Status status, const std::string& address,
              spool::Ticket ticket);
  void submit(spool::Operation operation);
  bool expired(Slot recipient);

  // ---- scheduler_control.cc
  void control(Control what, const Selection& which,
               std::move_only_function<void(Result<ControlResult>)> done);
  struct Command;
  void change_message(const std::shared_ptr<Command>& command);
  void begin_command();
  void change_slice(const std::shared_ptr<Command>& command);
  void consider(Command& command, Slot recipient, std::vector<spool::SetStatus>& operations);
  bool change(Slot recipient, Control what, bool rests, spool::SetStatus& operation);
  void commit(const std::shared_ptr<Command>& command, std::vector<spool::SetStatus> operations);
  void committed(const std::shared_ptr<Command>& command);
  static void finish(Command& command);

  const Ports ports;
  const SchedulerSettings settings;
  OpenRecipients all;
  Bodies bodies;
  std::deque<Load> loads;  // that wait for room in memory
  DueHeap waiting;
  std::array<std::uint64_t, 5> in_place{};  // by Place
  Slots<Site> sites;
  std::unordered_map<std::string, Slot> site_by_key;
  DueHeap backing_off;                                 // sites
  DueHeap pacing;                                      // sites that may have their next transaction then
  std::unordered_map<std::string, Shaper> slow_sites;  // by Destination::site, of those without mail
  std::vector<Slot> dirty;
  bool settling = false;
  Slots<Connection> connections;
  ConnectionLine line;
  ConnectionLine reserved_line;                   // sites that may use the connections reserved for such
  std::deque<std::shared_ptr<Command>> commands;  // on many messages; the first is under way
  SchedulerStats totals;                          // the sums since start
  TimerId recheck_timer;  // armed while nothing may begin because of unrecorded outcomes
  bool recording_lags = false;
  TimerId wake;
  Instant wake_at = never;
  Senders senders;
  std::array<Instant, 2> no_route_until{};  // of IPv4, of IPv6: this machine has none
  Task after_commit;  // of the next outcome: the next slice of very many, so that they do not heap up
  bool draining = false;
  Task drained;

 private:
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace relay::queue
