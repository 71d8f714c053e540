#include "mta/main/worker.h"

#include <utility>

#include "mta/base/log.h"
#include "mta/base/network.h"
#include "mta/main/own_addresses.h"

namespace relay {
namespace {

using namespace std::chrono_literals;

constexpr Duration purge_pause = 5s;  // between two looks for messages to forget
constexpr std::uint32_t purge_most =
    5000;                                // in one commit: a short one, yet 1000 a second, more than come in
constexpr Duration finish_pause = 20ms;  // between two looks whether everything has finished

wire::ServerSettings submission_settings(const Shared& shared) {
  const conf::Config& config = shared.config;
  wire::ServerSettings settings;
  settings.offer_starttls = shared.tls.certificates() != nullptr;
  settings.host_name = config.host_name;
  settings.bare_newlines = config.submission.bare_newlines;
  settings.limits = config.submission.limits;
  settings.limits.recipients = config.intake.recipients;
  settings.limits.message_bytes = config.intake.message_bytes;
  return settings;
}

// Anybody may come here, so that nothing is made right that others might read otherwise.
wire::ServerSettings inbound_settings(const Shared& shared) {
  const intake::InboundSettings& inbound = shared.config.inbound.settings;
  wire::ServerSettings settings = submission_settings(shared);
  settings.require_auth = false;
  settings.offer_dsn = false;
  settings.bare_newlines = wire::BareNewlines::refuse;
  settings.limits.recipients = inbound.recipients;
  settings.limits.message_bytes = inbound.message_bytes;
  return settings;
}

// One message larger than its share each loop may still have in memory.
queue::SchedulerSettings delivery_settings(const Shared& shared) {
  queue::SchedulerSettings settings = shared.config.delivery;
  settings.body_bytes /= shared.loops;
  return settings;
}

dns::UnboundSettings resolver_settings(const Shared& shared, bool first) {
  dns::UnboundSettings settings = shared.config.resolver;
  settings.cache_bytes /= shared.loops;
  settings.rules.own_addresses = own_addresses(shared.config);
  settings.announce = first;
  return settings;
}

}  // namespace

Result<std::unique_ptr<Worker>> Worker::make(const Shared& shared, net::UvLoop& loop, bool first) {
  SystemRng rng;
  auto resolver = dns::make_unbound(resolver_settings(shared, first), loop, rng.next());
  if (!resolver) return std::unexpected(resolver.error());
  return std::unique_ptr<Worker>(new Worker(shared, loop, std::move(*resolver)));
}

Worker::Worker(const Shared& shared, net::UvLoop& loop, std::unique_ptr<dns::Resolver> resolver)
    : shared_(shared),
      loop_(loop),
      resolver_(std::move(resolver)),
      outgoing_(loop, shared.config.sessions),
      dialer_(outgoing_, shared.client_tls),
      scheduler_(
          {loop, dialer_, *resolver_, shared.writer, shared.loader, shared.router, rng_, &shared.in_flight},
          delivery_settings(shared)),
      api_({loop, rng_, shared.intake, shared.keys, shared.guard, shared.dispatcher, shared.store,
            shared.writer, shared.loader, shared.about, &shared.monitor, shared.tls.certificates()},
           shared.config.api),
      submission_desk_({loop, rng_, shared.keys, shared.intake, shared.smtp_places, shared.guard}),
      submission_("smtp", {loop, shared.smtp_places, submission_desk_}, submission_settings(shared),
                  shared.config.sessions),
      inbound_desk_(shared.inbound, shared.inbound_places),
      inbound_("inbound", {loop, shared.inbound_places, inbound_desk_}, inbound_settings(shared),
               shared.config.sessions),
      http_({loop, api_, shared.http_places}, shared.config.http.limits, shared.config.sessions) {
  shared.monitor.add(submission_.counts(), inbound_.counts(), http_.counts());
}

Worker::~Worker() = default;

Result<void> Worker::keep(Result<std::unique_ptr<net::Listener>> listener) {
  if (!listener) return std::unexpected(listener.error());
  listeners_.push_back(std::move(*listener));
  return {};
}

Result<void> Worker::listen(bool administration) {
  const auto& submission = shared_.config.submission.listeners;
  for (std::size_t i = 0; i < submission.size(); ++i) {
    const bool implicit = submission[i].tls == conf::SubmissionListener::Tls::implicit;
    auto kept = listen_on(submission_, submission[i], {shared_.tls.submission(i), implicit});
    if (!kept) return kept;
  }
  const auto& inbound = shared_.config.inbound.listeners;
  for (std::size_t i = 0; i < inbound.size(); ++i) {
    auto kept = listen_on(inbound_, inbound[i], {shared_.tls.inbound(i), false});
    if (!kept) return kept;
  }
  const auto& http = shared_.config.http.listeners;
  for (std::size_t i = 0; i < http.size(); ++i) {
    auto kept = listen_on(http_, http[i], {shared_.tls.http(i), http[i].tls}, api::Door::application);
    if (!kept) return kept;
  }
  if (!administration || shared_.config.admin_socket.empty()) return {};
  return keep(net::Listener::local(
      loop_, shared_.config.admin_socket,
      [this](int fd, const wire::PeerInfo& peer) { http_.take(fd, peer, {}, api::Door::administration); },
      [this](int fd, const wire::PeerInfo& peer) { http_.turn_away(fd, peer, {}); }));
}

template <class Service, class At, class... More>
Result<void> Worker::listen_on(Service& service, const At& at, Reception::Way tls, More... more) {
  const auto way = [&at, tls = std::move(tls)](const wire::PeerInfo& peer) {
    return Reception::Way{tls.tls, tls.tls_first, within(at.proxy_from, peer.address)};
  };
  return keep(net::Listener::tcp(
      loop_, at.address, at.port,
      [&service, way, more...](int fd, const wire::PeerInfo& peer) {
        service.take(fd, peer, way(peer), more...);
      },
      [&service, way](int fd, const wire::PeerInfo& peer) { service.turn_away(fd, peer, way(peer)); }));
}

void Worker::keep_purging() {
  loop_.at(loop_.now() + purge_pause, [this] {
    auto before =
        loop_.wall() - std::chrono::duration_cast<std::chrono::milliseconds>(shared_.config.retention);
    // Refused by a full writer: the next turn will do.
    if (!shared_.writer.submit(spool::Purge{.before = before, .at_most = purge_most}, loop_, {}))
      log::debug("spool: purge put off");
    keep_purging();
  });
}

void Worker::finish(Duration grace) {
  loop_.post([this, grace] { begin_finishing(grace); });
}

void Worker::begin_finishing(Duration grace) {
  listeners_.clear();
  submission_.shut_down();
  inbound_.shut_down();
  http_.shut_down();
  scheduler_.drain([this] { drained_ = true; });
  check_finished(loop_.now() + grace);
}

void Worker::check_finished(Instant give_up) {
  bool done = drained_ && submission_.open() == 0 && inbound_.open() == 0 && http_.open() == 0;
  if (!done && loop_.now() < give_up) {
    loop_.at(loop_.now() + finish_pause, [this, give_up] { check_finished(give_up); });
    return;
  }
  if (!done) {
    log::warn(
        "stopping with {} SMTP sessions, {} requests and {} deliveries under way; what was not acknowledged "
        "is "
        "the sender's still, and deliveries are tried again after the next start",
        submission_.open() + inbound_.open(), http_.open(), scheduler_.stats().in_flight);
  }
  // Any socket left open would keep run() from returning: idle clients, and hosts that have not greeted yet.
  submission_.close_all();
  inbound_.close_all();
  http_.close_all();
  outgoing_.close_all();
  loop_.stop();
}

}  // namespace relay
