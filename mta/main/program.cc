#include "mta/main/program.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <future>
#include <thread>
#include <utility>
#include <vector>

#include "mta/base/log.h"
#include "mta/base/signals.h"
#include "mta/main/demo_key.h"
#include "mta/main/descriptors.h"
#include "mta/main/restore.h"
#include "mta/main/tls_listeners.h"
#include "mta/main/worker.h"
#include "spool/repeats.h"

namespace relay {
namespace {

int refuse(const Error& error) {
  log::error("relayd cannot start: {}", error.message);
  return 1;
}

// As many descriptors as the administrator's hard limit allows: each connection is one.
std::uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return RLIM_INFINITY;
  const rlim_t before = std::exchange(limit.rlim_cur, limit.rlim_max);
  if (setrlimit(RLIMIT_NOFILE, &limit) == 0) return limit.rlim_max;
  log::warn("the limit of open files could not be raised");
  return before;
}

// As many places as there are descriptors for.
struct Places {
  AdmissionLimits smtp, http;
};
Places places_within(std::uint64_t descriptors, const conf::Config& config, std::size_t loops) {
  Places places{config.submission.connections, config.http.connections};
  DescriptorNeeds needs;
  if (!config.submission.listeners.empty()) needs.submission = places.smtp.sessions;
  if (!config.http.listeners.empty()) needs.http = places.http.sessions;
  needs.loops = static_cast<std::uint32_t>(loops);
  if (!config.inbound.listeners.empty()) needs.inbound = config.inbound.connections.sessions;
  needs.delivery = config.delivery.connections * needs.loops;
  needs.listeners = static_cast<std::uint32_t>(
      config.submission.listeners.size() + config.inbound.listeners.size() + config.http.listeners.size());
  const DescriptorPlan plan = plan_descriptors(descriptors, needs);
  if (plan.warning) log::warn("{}", *plan.warning);
  if (needs.submission > 0) places.smtp.sessions = plan.submission;
  if (needs.http > 0) places.http.sessions = plan.http;
  return places;
}

void say_when_pressed(std::string_view name, Admission& places) {
  places.on_pressed([name, &places] {
    const std::uint64_t content = places.content().used();
    log::warn("{}: near a limit, clients are waited for less: {} of {} sessions{}", name, places.sessions(),
              places.limits().sessions,
              content > 0
                  ? fmt::format(", {} of {} bytes of content under way", content, places.content().limit())
                  : "");
  });
}

// Files are read on the signals' own thread. The store logs what becomes of it.
void reload_certificates(const TlsListeners& tls) {
  if (net::CertificateStore* certificates = tls.certificates())
    (void)certificates->reload(system_wall());
  else
    log::info("SIGHUP: there are no certificates to read anew");
}

Result<void> check_ports(const conf::Config& config) {
  for (const auto& at : config.submission.listeners) {
    if (auto free = net::Listener::check_free(at.address, at.port); !free) return free;
  }
  for (const auto& at : config.inbound.listeners) {
    if (auto free = net::Listener::check_free(at.address, at.port); !free) return free;
  }
  for (const auto& at : config.http.listeners) {
    if (auto free = net::Listener::check_free(at.address, at.port); !free) return free;
  }
  return {};
}

void warn_of_relaxed(const conf::Config& config) {
  if (config.spool.durability == spool::Durability::sync) return;
  log::warn(
      "spool.durability is relaxed: a power cut or a crash of the machine can lose mail that was "
      "acknowledged "
      "within about the last {} ms, and have mail delivered in that time delivered again; the spool itself "
      "stays whole",
      std::chrono::duration_cast<std::chrono::milliseconds>(config.writer.sync_pause).count());
}

// What was queued when the last process ended. Commands wait for it: they would miss what is not there yet.
void bring_back(spool::Store& store, queue::Dispatcher& dispatcher, Arrivals& arrivals,
                const std::future<void>& told) {
  const auto stop = [&told] { return told.wait_for(std::chrono::seconds(0)) == std::future_status::ready; };
  const auto restored = restore(store, dispatcher, arrivals, stop);
  if (!restored)
    log::error(
        "the queue could not be read to its end, some of it waits for the next start and commands on it are "
        "refused until then: {}",
        restored.error().message);
  else if (restored->recipients > 0 && !stop())
    log::info("{} recipients are still queued from before", restored->recipients);
  if (restored) dispatcher.restored(*restored);
  arrivals.stop();
  if (restored && !stop())
    dispatcher.take_commands();
  else
    dispatcher.refuse_commands({Errc::unavailable,
                                "Not all of the queue has been read, so that a command would miss some of "
                                "it; relayd must be started again"});
}

}  // namespace

Result<void> check_files(const conf::Config& config) {
  auto tls = TlsListeners::make(config, system_wall(), system_now());
  return tls ? Result<void>() : std::unexpected(tls.error());
}

int run_program(const conf::Config& config, const ProgramOptions& options) {
  const WallTime started = system_wall();
  std::promise<void> tell;
  std::future<void> told = tell.get_future();
  auto incoming_tls = TlsListeners::make(config, started, system_now());
  if (!incoming_tls) return refuse(incoming_tls.error());
  const Signals signals(
      [&tell](int, int count) {
        if (count > 1) _exit(1);
        tell.set_value();
      },
      [&tls = **incoming_tls] { reload_certificates(tls); });
  const std::uint64_t descriptors = raise_descriptor_limit();

  if (auto free = check_ports(config); !free) return refuse(free.error());
  auto outgoing_tls = net::TlsContext::client();
  if (!outgoing_tls) return refuse(outgoing_tls.error());

  // Loops first: they outlive the writer, which posts to them to its end.
  std::vector<std::unique_ptr<net::UvLoop>> loops;
  std::size_t count = config.loops > 0 ? config.loops : std::max(1u, std::thread::hardware_concurrency());
  for (std::size_t i = 0; i < count; ++i) loops.push_back(std::make_unique<net::UvLoop>());

  auto opened = spool::open_lmdb(config.spool);
  if (!opened) return refuse(opened.error());
  const std::shared_ptr<spool::Store> store =
      std::move(*opened);  // the writer's too: see ThreadWriter::stop()
  if (const auto counts = store->counts())
    log::info("the spool {} has {} messages, {} rows in the queue", config.spool.directory, counts->messages,
              counts->queued);
  warn_of_relaxed(config);
  if (!options.demo_key_file.empty()) {
    if (auto made = ensure_demo_key(options.demo_key_file, *store); !made) return refuse(made.error());
  }
  spool::InFlight in_flight(config.spool.directory, config.in_flight);
  const auto repeats = spool::record_repeats(*store, in_flight, system_wall());
  spool::ThreadWriter writer(store, config.writer, &in_flight, store->probe(spool::least_room));
  spool::ThreadLoader loader(*store, config.loader);
  auto keys = intake::KeyRing::load(*store, writer);
  if (!keys) return refuse(keys.error());
  const queue::Router router(config.routes);
  queue::Dispatcher dispatcher(router);
  Arrivals arrivals(writer);
  intake::Intake intake(config.intake, arrivals, *store, dispatcher, **keys);

  intake::AuthGuard guard(config.submission.guard, config.spool.directory + "/known-clients", started);

  intake::Inbound inbound(config.inbound.settings);
  const Places places = places_within(descriptors, config, count);
  Admission smtp_places(places.smtp), inbound_places(config.inbound.connections), http_places(places.http);
  say_when_pressed("submission", smtp_places);
  say_when_pressed("inbound", inbound_places);
  say_when_pressed("http", http_places);
  Monitor monitor({*store, writer, in_flight, intake, inbound, dispatcher, guard, smtp_places, inbound_places,
                   (*incoming_tls)->certificates()},
                  {options.version, started, config.spool.durability, repeats.size()});

  const api::About about{options.version, started, std::string(spool::text(config.spool.durability)),
                         config.delivery.unrecorded, repeats.size()};
  const Shared shared{config, *store,      writer,         loader,        in_flight,
                      **keys, router,      dispatcher,     intake,        inbound,
                      guard,  monitor,     **incoming_tls, *outgoing_tls, count,
                      about,  smtp_places, inbound_places, http_places};
  std::vector<std::unique_ptr<Worker>> workers;
  for (auto& loop : loops) {
    auto worker = Worker::make(shared, *loop, workers.empty());
    if (!worker) return refuse(worker.error());
    dispatcher.add(*loop, (*worker)->scheduler());
    workers.push_back(std::move(*worker));
  }
  for (auto& worker : workers) {
    if (auto listening = worker->listen(worker == workers.front()); !listening)
      return refuse(listening.error());
  }
  workers.front()->keep_purging();
  (*incoming_tls)->watch(*loops.front());
  dispatcher.hold_commands();
  {
    std::vector<std::jthread> threads;
    for (auto& worker : workers) threads.emplace_back([&worker] { worker->run(); });
    log::info("ready: {} loops", workers.size());
    bring_back(*store, dispatcher, arrivals, told);
    told.wait();
    log::info("stopping");
    for (auto& worker : workers) worker->finish(config.shutdown_grace);
  }
  if (!writer.stop()) {
    log::error("stopped, but for a commit that hangs; what it was to acknowledge is the sender's still");
    _exit(1);  // a thread is in the store, and what it uses must not go before it
  }
  log::info("stopped");
  return 0;
}

}  // namespace relay
