// Api: the HTTP side. Translates requests to the calls SMTP uses too (intake, spool, keys, queue) and back.
//
// Routes of applications (/v1/…, Bearer key), of relayctl (/admin/v1/…, only on the Unix socket, whose file
// mode is the permission) and of monitoring (/metrics, by address) are tables of method, path pattern and
// handler. handle() never throws; `done` is called exactly once, on the calling loop, inside the call or
// later. One Api a loop.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "mta/base/loop.h"
#include "mta/base/metrics.h"
#include "mta/base/rng.h"
#include "mta/intake/accept.h"
#include "mta/intake/auth_guard.h"
#include "mta/intake/keys.h"
#include "mta/net/certificates.h"
#include "mta/net/http_dialog.h"
#include "mta/queue/dispatcher.h"
#include "relay-api/settings.h"
#include "spool/loader.h"
#include "spool/store.h"
#include "spool/writer.h"

namespace relay::api {

enum class Door { application, administration };

// What does not change while the program runs.
struct About {
  std::string version;
  WallTime started;
  std::string durability;              // of a commit: "sync"
  std::uint64_t unrecorded = 0;        // SchedulerSettings::unrecorded
  std::uint64_t possible_repeats = 0;  // of deliveries, known at the start
};

class Api {
 public:
  struct Ports {
    Loop& loop;
    Rng& rng;
    intake::Intake& intake;
    intake::KeyRing& keys;
    intake::AuthGuard& guard;
    queue::Dispatcher& dispatcher;
    const spool::Store& store;
    const spool::Writer& writer;
    spool::Loader& loader;
    About about;
    metrics::Source* metrics = nullptr;             // null: there are none
    net::CertificateStore* certificates = nullptr;  // the same
  };
  using Done = std::move_only_function<void(net::HttpResponse)>;
  Api(Ports ports, ApiSettings settings);
  ~Api();
  void handle(net::HttpRequest request, Door door, Done done);
  // problem+json (RFC 9457) for faults found before routing.
  static net::HttpResponse problem(int status, std::string_view detail);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace relay::api
