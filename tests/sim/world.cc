#include "tests/sim/world.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "spool/lmdb.h"
#include "spool/repeats.h"

namespace relay::sim {

std::uint64_t seed_or(std::uint64_t usual) {
  const char* wanted = std::getenv("RELAY_SIM_SEED");
  return wanted ? std::strtoull(wanted, nullptr, 10) : usual;
}

queue::SchedulerSettings World::quick() {
  queue::SchedulerSettings settings;
  settings.client.ehlo_name = "relay.example";
  return settings;
}

World::World(std::uint64_t usual, queue::SchedulerSettings s)
    : seed(seed_or(usual)),
      rng(seed),
      net(loop),
      resolver(loop),
      settings(std::move(s)),
      router(std::make_unique<queue::Router>(std::vector<queue::RouteRule>{})) {
  // Nothing here is to survive, so nothing need wait for a disk.
  const std::filesystem::path memory = "/dev/shm";
  const bool has_memory = ::access(memory.c_str(), W_OK) == 0;
  const auto parent = has_memory ? memory : std::filesystem::temp_directory_path();
  std::string pattern = (parent / "relay-sim-XXXXXX").string();
  RELAY_ASSERT(mkdtemp(pattern.data()) != nullptr);
  directory_ = pattern;
}

World::~World() {
  stop();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

SimHost& World::host(const std::string& domain, const std::string& address, HostScript script) {
  auto& found = resolver.table[domain];
  found.status = dns::MailHosts::Status::ok;
  const auto preference = static_cast<std::uint16_t>(10 * (found.hosts.size() + 1));
  found.hosts.push_back({"mx" + std::to_string(preference) + "." + domain, preference, {address}});
  return net.add(address, std::move(script));
}

void World::start() {
  while (!start_once()) ++crashes, stop();
}

// False: the process ended on the way, at a commit of the start itself.
bool World::start_once() {
  spool::LmdbSettings lmdb;
  lmdb.directory = directory_;
  lmdb.map_bytes = 1ull << 30;
  lmdb.durability = spool::Durability::none;
  auto opened = spool::open_lmdb(lmdb);
  if (!opened) FAIL(opened.error().message);
  store = std::make_unique<SimStore>(std::move(*opened));
  store->crash = [this] { return ++commits, crash_at ? crash_at(commits) : Crash::none; };
  store->disk = [this] { return disk ? disk() : Disk::well; };
  in_flight = std::make_unique<spool::InFlight>(directory_, spool::InFlightSettings{.places = 5000});
  const auto found = spool::record_repeats(*store, *in_flight, loop.wall());
  if (store->ended() == Crash::before_commit) return false;  // the next start finds the same
  for (const RecipientRef& ref : found) ++repeats[ref];
  if (store->crashed()) return false;
  attempts_at_start_ = attempts_on_record();
  writer = std::make_unique<SimWriter>(loop, *store, in_flight.get(), writer_settings);
  writer->commit_time = [this]() -> Duration {
    return commit_time ? commit_time() : std::chrono::milliseconds(3);
  };
  loader = std::make_unique<SimLoader>(loop, *store);
  loader->act = load_act;
  scheduler = std::make_unique<queue::Scheduler>(
      queue::Scheduler::Ports{loop, net, resolver, *writer, *loader, *router, rng, in_flight.get()},
      settings);
  const auto claimed = store->claim(
      [&](spool::QueueEntry entry) {
        scheduler->restore({&entry, 1});
        return true;
      },
      [](const spool::Damage& damage) { FAIL(damage.what); }, [] { return true; });
  REQUIRE(claimed.has_value());
  return true;
}

void World::stop() {
  scheduler.reset();
  net.crash();
  loop.forget_all();
  loader.reset();
  writer.reset();
  in_flight.reset();
  if (store) {
    store.reset();
    check_file();
  }
  answered_ = submitted_;
}

MessageId World::submit_with(const std::vector<std::string>& recipients,
                             const std::function<void(wire::Envelope&)>& change, const std::string& text) {
  return submit_message(recipients, [&](spool::Message& message) { change(message.envelope); }, text);
}

MessageId World::submit_message(const std::vector<std::string>& recipients,
                                const std::function<void(spool::Message&)>& change, const std::string& text) {
  if (!scheduler) start();
  auto message = std::make_shared<spool::Message>();
  message->id = MessageId::make(loop.wall(), rng);
  message->account.value = "acct";
  message->accepted = loop.wall();
  message->envelope.reverse_path = "sender@relay.example";
  for (const std::string& r : recipients) message->envelope.recipients.push_back({r});
  change(*message);
  const std::string body = "X-Sim-Id: " + message->id.text() + "\r\n\r\n" + text;
  message->body = std::make_shared<Body>(body);
  message->size = body.size();
  ledger[message->id] = {recipients, body};
  const bool taken = writer->submit(spool::Accept{message, message->since()}, loop,
                                    [this, message, number = ++submitted_](const Result<void>& result) {
                                      on_answer(message, number, result);
                                    });
  if (!taken) ledger[message->id].refused = Errc::full;
  return message->id;
}

void World::on_answer(const spool::MessagePtr& message, std::uint64_t number, const Result<void>& result) {
  CHECK(number > answered_);  // in the order of submission
  answered_ = number;
  if (!result) {
    ledger[message->id].refused = result.error().code;
    return;
  }
  CHECK(writer->state() != spool::WriterState::failed);  // nothing after a final error
  ledger[message->id].acknowledged = true;
  if (!scheduler) return;
  std::vector<std::uint32_t> all;
  for (std::uint32_t i = 0; i < message->envelope.recipients.size(); ++i) all.push_back(i);
  scheduler->enqueue(message, all);
}

std::size_t World::acknowledged() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(ledger, [](const auto& each) { return each.second.acknowledged; }));
}

bool World::ended() {
  if (crash_step == 0 || loop.steps() < crash_step) return writer->crashed();
  crash_step = 0;
  return true;
}

void World::run(Duration time) {
  if (!scheduler) start();
  const Instant until = loop.now() + time;
  while (loop.run_until(until, [&] { return ended(); })) crash();
}

bool World::run_until_done(Duration time) {
  if (!scheduler) start();
  const Instant until = loop.now() + time;
  const auto done = [&] { return scheduler->stats().open == 0 && net.open() == 0; };
  run(std::chrono::seconds(1));  // what is being accepted
  bool gone = false;
  while (loop.run_until(until, [&] { return (gone = ended()) || done(); })) {
    if (!gone) break;
    crash();
  }
  if (!done()) return false;
  run(std::chrono::seconds(1));  // the last outcomes' commit
  return true;
}

void World::crash() {
  ++crashes;
  stop();
  start();
  check();
}

void World::restart() {
  ++restarts;
  bool drained = false;
  scheduler->drain([&] { drained = true; });
  REQUIRE(loop.run_until(loop.now() + std::chrono::hours(1), [&] { return drained || writer->crashed(); }));
  if (writer->crashed()) return crash();
  REQUIRE(scheduler->stats().in_flight == 0);
  scheduler.reset();
  // What still calls back must find nothing, and the writer commits.
  if (loop.run_until(loop.now() + std::chrono::hours(1), [&] { return writer->crashed(); })) return crash();
  REQUIRE(net.open() == 0);
  writer->finish();
  loop.run_for({});
  stop();
  start();
}

spool::MessageView World::view(const MessageId& id) {
  auto found = store->find(id);
  if (!found) FAIL(found.error().message);
  REQUIRE(found->has_value());
  return std::move(**found);
}

spool::RecipientState World::recipient(const MessageId& id, std::uint32_t index) {
  return view(id).recipients.at(index);
}

std::vector<spool::Event> World::events(const MessageId& id, std::uint32_t index) {
  std::vector<spool::Event> events;
  for (const spool::Event& e : view(id).events)
    if (e.recipient == index && e.type != spool::EventType::queued) events.push_back(e);
  return events;
}

queue::ControlResult World::control(queue::Control what, queue::Selection which) {
  controlled = true;
  std::optional<Result<queue::ControlResult>> answer;
  for (bool gone = true; gone;) {  // asked again after a crash, as people do
    scheduler->control(what, which, [&](Result<queue::ControlResult> r) { answer = std::move(r); });
    gone = false;
    REQUIRE(loop.run_until(loop.now() + std::chrono::seconds(1),
                           [&] { return (gone = ended()) || answer.has_value(); }));
    if (gone) crash();
  }
  REQUIRE(answer->has_value());
  return **answer;
}

std::size_t World::received(const MessageId& id, const std::string& recipient) const {
  std::size_t count = 0;
  for (const auto& [address, host] : net.hosts())
    for (const Delivered& d : host->delivered)
      if (d.message == id.text() && d.recipient == recipient) ++count;
  return count;
}

}  // namespace relay::sim
