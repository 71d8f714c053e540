// Config: everything relayd is told, as the modules' own settings structs. Plain values, made by
// conf/loader.h and constant afterwards. A field's default, unit and reason stand in its module's struct or
// here; conf/settings.cc says which key of relay.yaml sets it and what range it has; relay.yaml(5) explains
// it.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "mta/base/log.h"
#include "mta/dns/resolver.h"
#include "mta/intake/accept.h"
#include "mta/intake/admission.h"
#include "mta/intake/auth_guard.h"
#include "mta/intake/inbound.h"
#include "mta/net/certificates.h"
#include "mta/net/http_dialog.h"
#include "mta/net/session.h"
#include "mta/queue/scheduler.h"
#include "mta/wire/server_dialog.h"
#include "relay-api/api.h"
#include "spool/in_flight.h"
#include "spool/lmdb.h"
#include "spool/loader.h"
#include "spool/writer.h"

namespace relay::conf {

// Of the listeners; without a standard certificate there is none.
struct Tls {
  net::CertificateSettings certificates;
  // How often their files are looked at: a new certificate is in use a minute after it was written.
  Duration check_interval = std::chrono::minutes(1);
};

struct SubmissionListener {
  enum class Tls { starttls, implicit };
  std::string address;  // of one interface, or 0.0.0.0 or ::
  std::uint16_t port = 0;
  Tls tls = Tls::starttls;
  std::vector<std::string> proxy_from = {};  // ranges: who comes from there has to begin with a PROXY header
};

struct HttpListener {
  std::string address;
  std::uint16_t port = 0;
  bool tls = false;
  std::vector<std::string> proxy_from = {};  // as for SubmissionListener
};

struct Submission {
  std::vector<SubmissionListener> listeners;
  AdmissionLimits connections;
  wire::BareNewlines bare_newlines = wire::BareNewlines::normalise;
  intake::AuthGuardSettings guard;  // of HTTP too
  wire::ServerLimits limits;        // recipients and message_bytes come from Config::intake
};

// Port 25: bounces and the like for the relay's own return-path domains, from anybody. With a certificate
// STARTTLS is offered; patience and tolerance for errors are those of submission.
struct InboundListener {
  std::string address;
  std::uint16_t port = 0;
  std::vector<std::string> proxy_from = {};  // as for SubmissionListener
};

struct Inbound {
  std::vector<InboundListener> listeners;
  // A place of its own, so that strangers never take those of who submits mail. Bounces come one by one.
  AdmissionLimits connections{.sessions = 500, .per_address = 50, .content_bytes = 64u << 20};
  intake::InboundSettings settings;
};

struct Http {
  std::vector<HttpListener> listeners;
  // Fewer than for SMTP, as a request needs a connection for moments only. Not by address: behind a proxy all
  // come from one.
  AdmissionLimits connections{.sessions = 2000, .per_address = 0};
  net::HttpLimits limits;
};

struct Config {
  std::string host_name;    // greeting, EHLO, Received, made-up Message-IDs
  std::uint32_t loops = 0;  // threads with a loop of their own; 0: one for each processor
  Duration shutdown_grace = std::chrono::seconds(10);  // for deliveries under way when told to stop
  log::Settings log;
  conf::Tls tls;
  Submission submission;
  Inbound inbound;
  Http http;
  std::string admin_socket;  // Unix socket for relayctl
  net::SessionLimits sessions;
  spool::LmdbSettings spool;
  spool::WriterSettings writer;
  spool::InFlightSettings in_flight;
  spool::LoaderSettings loader;
  Duration retention =
      std::chrono::hours(24 * 30);  // closed messages are forgotten this long after acceptance
  intake::IntakeSettings intake;
  api::ApiSettings api;
  std::vector<queue::RouteRule> routes;
  dns::UnboundSettings resolver;
  queue::SchedulerSettings delivery;
  std::string classify_file;  // rules that come before the built-in ones; empty: none
};

}  // namespace relay::conf
