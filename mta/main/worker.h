// Worker: one loop of the relay with everything that lives on it: its share of the queue, its resolver and
// outgoing connections, its listening sockets, its sessions.
//
// Built and told to listen on the main thread, before run(); from then on everything happens on the thread
// that called run(), until finish() has let it return. The UvLoop and all of Shared outlive it.
#pragma once
#include <memory>
#include <vector>

#include "conf/config.h"
#include "mta/base/result.h"
#include "mta/base/rng.h"
#include "mta/intake/accept.h"
#include "mta/intake/keys.h"
#include "mta/main/http_service.h"
#include "mta/main/inbound_desk.h"
#include "mta/main/monitor.h"
#include "mta/main/smtp_service.h"
#include "mta/main/submission_desk.h"
#include "mta/main/tls_listeners.h"
#include "mta/net/listener.h"
#include "mta/net/tls.h"
#include "mta/net/uv_dialer.h"
#include "mta/net/uv_loop.h"
#include "mta/queue/dispatcher.h"
#include "spool/loader.h"
#include "spool/store.h"
#include "spool/writer.h"

namespace relay {

// What all workers use; safe from every thread.
struct Shared {
  const conf::Config& config;
  const spool::Store& store;
  spool::Writer& writer;
  spool::Loader& loader;
  spool::InFlight& in_flight;
  intake::KeyRing& keys;
  const queue::Router& router;
  queue::Dispatcher& dispatcher;
  intake::Intake& intake;
  intake::Inbound& inbound;
  intake::AuthGuard& guard;
  Monitor& monitor;
  TlsListeners& tls;
  std::shared_ptr<net::TlsContext> client_tls;
  std::size_t loops = 1;  // among which the memory for content is divided
  api::About about;
  Admission& smtp_places;  // of all loops together
  Admission& inbound_places;
  Admission& http_places;
};

class Worker {
 public:
  // The first says in the log what is true of all.
  static Result<std::unique_ptr<Worker>> make(const Shared& shared, net::UvLoop& loop, bool first = true);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  queue::Scheduler& scheduler() { return scheduler_; }
  // Every loop listens on every TCP address (SO_REUSEPORT); `administration` also on the Unix socket.
  Result<void> listen(bool administration);
  // Forgets closed messages when their retention is over; on one worker.
  void keep_purging();
  void run() { loop_.run(); }
  // From any thread: accept no more, finish what is under way, for `grace` at most; then run() returns.
  void finish(Duration grace);

 private:
  Worker(const Shared& shared, net::UvLoop& loop, std::unique_ptr<dns::Resolver> resolver);
  void begin_finishing(Duration grace);
  void check_finished(Instant give_up);
  template <class Service, class At, class... More>
  Result<void> listen_on(Service& service, const At& at, Reception::Way tls, More... more);
  Result<void> keep(Result<std::unique_ptr<net::Listener>> listener);

  const Shared shared_;
  net::UvLoop& loop_;
  SystemRng rng_;
  std::unique_ptr<dns::Resolver> resolver_;
  net::SessionTable outgoing_;
  net::UvDialer dialer_;
  queue::Scheduler scheduler_;
  api::Api api_;
  SubmissionDesk submission_desk_;
  SmtpService submission_;
  InboundDesk inbound_desk_;
  SmtpService inbound_;
  HttpService http_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  bool drained_ = false;
};

}  // namespace relay
