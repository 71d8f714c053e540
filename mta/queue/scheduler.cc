#include <algorithm>

#include "mta/base/log.h"
#include "mta/queue/scheduler_impl.h"

namespace relay::queue {

namespace {

SchedulerSettings complete(SchedulerSettings settings) {
  if (!settings.classifier) settings.classifier = std::make_shared<const Classifier>();
  return settings;
}

}  // namespace

Scheduler::Impl::Impl(Ports p, SchedulerSettings s)
    : ports(p),
      settings(complete(std::move(s))),
      bodies(settings.body_bytes),
      senders(ports.loop, ports.resolver, settings.senders_fresh, settings.senders_known) {}

// To a session nobody will use any more.
void Scheduler::Impl::say_goodbye(const Ports& ports, net::SessionId session) {
  wire::ClientDialog* dialog = ports.dialer.dialog(session);
  if (!dialog || !dialog->ready()) return;  // it ends by itself, or is seen again when it is ready
  dialog->quit(ports.loop.now());
  ports.dialer.kick(session);
}

Scheduler::Impl::~Impl() {
  ports.loop.cancel(wake);
  ports.loop.cancel(recheck_timer);
  connections.for_each([&](Slot c) {
    ports.loop.cancel(connections[c].idle_timer);
    say_goodbye(ports, connections[c].session);
  });
}

void Scheduler::Impl::enqueue(const spool::MessagePtr& message,
                              const std::vector<std::uint32_t>& recipients) {
  const bool later = message->since() > ports.loop.wall();
  for (const std::uint32_t index : recipients) {
    const std::string& address = message->envelope.recipients[index].address;
    const Slot domain = domain_for(std::string(wire::domain_of(address)));
    const Slot recipient =
        all.add({message->id, message->since(), message->account, message->stream}, index, domain, 0);
    if (recipient == no_slot) continue;  // the start-up scan had it already
    if (later) {                         // its content is read again then
      put(recipient, Place::waiting, instant_of(message->since()));
      continue;
    }
    put(recipient, Place::ready);
    if (settings.refuse_null_mx_senders && !sites[all.domain_of(recipient).site].destination.fixed)
      senders.ask(message->envelope.reverse_path, {});
    // In back-off the first attempt is far: the memory is better used for others.
    const Slot site = all.domain_of(recipient).site;
    if (!backing_off.contains(site))
      bodies.keep(all[recipient].message, site, message,
                  sites[site].ready.ahead_of_newest(all.message_of(recipient).tenant));
  }
  settle();
}

void Scheduler::Impl::restore(std::span<const spool::QueueEntry> entries) {
  const WallTime now = ports.loop.wall();
  for (const spool::QueueEntry& entry : entries) {
    const Slot domain = domain_for(entry.domain);
    const Slot recipient = all.add({entry.ref.message, entry.since, entry.account, entry.stream},
                                   entry.ref.index, domain, entry.attempts);
    if (recipient == no_slot) continue;
    if (entry.status == spool::Status::held)
      put(recipient, Place::held);
    else if (entry.due <= now)
      put(recipient, Place::ready);
    else
      put(recipient, Place::waiting, instant_of(entry.due));
  }
  settle();
}

Slot Scheduler::Impl::domain_for(const std::string& name) {
  if (const Slot known = all.find_domain(name); known != no_slot) return known;
  const Destination destination = ports.router.route(name);
  auto [entry, fresh] = site_by_key.try_emplace(destination.site, no_slot);
  if (fresh) {
    Site site;
    site.destination = destination;
    site.limit = std::clamp(settings.connections_at_first, 1u, settings.connections_per_site);
    if (const auto slow = slow_sites.extract(destination.site)) site.shaper = slow.mapped();
    entry->second = sites.add(std::move(site));
  }
  ++sites[entry->second].domains;
  return all.add_domain(name, entry->second);
}

// The one place where a recipient changes its place.
void Scheduler::Impl::put(Slot recipient, Place place, Instant due) {
  OpenRecipient& r = all[recipient];
  const Slot site = all.domain_of(recipient).site;
  const auto active = [](Place p) { return p == Place::ready || p == Place::in_flight; };
  if (r.place == Place::waiting) waiting.remove(recipient);
  if (r.place == Place::ready) {
    if (sites[site].expiring == recipient) sites[site].expiring = r.ready_next;
    sites[site].ready.unlink(all, recipient);
    if (sites[site].expiring == no_slot) next_expiring(sites[site]);
  }
  std::uint32_t& of_message = all.message_of(recipient).active;
  if (!active(r.place) && active(place)) ++of_message;
  if (active(r.place) && !active(place) && --of_message == 0) bodies.drop(r.message);
  if (r.place != Place::nowhere) --in_place[static_cast<std::size_t>(r.place)];
  if (place != Place::nowhere) ++in_place[static_cast<std::size_t>(place)];
  r.place = place;
  if (place == Place::waiting) waiting.put(recipient, due);
  if (place == Place::ready) {
    sites[site].ready.push_back(all, recipient, weight_of(recipient));
    sites[site].oldest = std::min(sites[site].oldest, all.message_of(recipient).since);
  }
  mark(site);
}

std::uint32_t Scheduler::Impl::weight_of(Slot recipient) const {
  return all.tenant_of(recipient).stream == spool::Stream::transactional ? settings.transactional_weight : 1;
}

void Scheduler::Impl::forget(Slot recipient) {
  put(recipient, Place::nowhere);
  const Slot domain = all[recipient].domain, site = all.domain_of(recipient).site;
  const bool last = all.domain_of(recipient).recipients == 1;
  all.remove(recipient);
  if (!last) return;
  all.forget_domain(domain);
  --sites[site].domains;
}

void Scheduler::Impl::mark(Slot site) {
  if (std::exchange(sites[site].dirty, true)) return;
  dirty.push_back(site);
}

void Scheduler::Impl::settle() {
  if (settling) return;
  settling = true;
  while (!dirty.empty()) {
    const Slot site = dirty.back();
    dirty.pop_back();
    sites[site].dirty = false;
    pump(site);
    pump_in_line();
  }
  settling = false;
  load_what_fits();
  arm();
  check_drained();
}

void Scheduler::Impl::arm() {
  const Instant first = std::min({waiting.earliest(), backing_off.earliest(), pacing.earliest()});
  if (first >= wake_at) return;  // at worst it wakes early, for nothing
  ports.loop.cancel(wake);
  wake_at = first;
  wake = ports.loop.at(first, guarded([this] { on_wake(); }));
}

void Scheduler::Impl::on_wake() {
  wake = {};
  wake_at = never;
  const Instant now = ports.loop.now();
  while (const auto site = backing_off.pop_due(now)) mark(*site);
  while (const auto site = pacing.pop_due(now)) mark(*site);
  std::uint32_t left = settings.recipients_per_slice;
  for (; left > 0; --left) {
    const auto recipient = waiting.pop_due(now);
    if (!recipient) break;
    put(*recipient, Place::ready);
  }
  if (left == 0) {  // more may be due: after what else the loop has to do
    wake_at = Instant::min();
    ports.loop.post(guarded([this] { on_wake(); }));
  }
  settle();
}

// Whether too many outcomes are unrecorded for a transaction to begin.
bool Scheduler::Impl::paused() {
  if (recording_lags) return true;  // until recheck() finds otherwise
  const std::uint64_t unrecorded = ports.writer.unrecorded();
  if (unrecorded < settings.unrecorded) return false;
  const spool::WriterStats writer = ports.writer.stats();
  log::warn("deliveries pause: {} outcomes are not recorded; the spool is {}{}{}", unrecorded,
            spool::text(writer.state), writer.reason.empty() ? "" : ": ", writer.reason);
  recording_lags = true;
  recheck();
  return true;
}

void Scheduler::Impl::recheck() {
  recheck_timer = ports.loop.at(ports.loop.now() + settings.recheck, guarded([this] {
                                  if (ports.writer.unrecorded() >= settings.unrecorded) return recheck();
                                  log::info("deliveries go on");
                                  recording_lags = false;
                                  sites.for_each([this](Slot site) {
                                    if (sites[site].ready.size() > 0) mark(site);
                                  });
                                  settle();
                                }));
}

Instant Scheduler::Impl::instant_of(WallTime t) const {
  constexpr std::chrono::milliseconds longest = std::chrono::years(10);  // nanoseconds end after 292
  return ports.loop.now() + std::clamp(t - ports.loop.wall(), -longest, longest);
}

WallTime Scheduler::Impl::wall_of(Instant t) const {
  return ports.loop.wall() + std::chrono::ceil<std::chrono::milliseconds>(t - ports.loop.now());
}

void Scheduler::Impl::drain(Task done) {
  draining = true;
  drained = std::move(done);
  connections.for_each([&](Slot c) {
    if (connections[c].state == Connection::State::idle) quit(c);
    if (connections[c].state == Connection::State::opening) give_back(c);
    if (connections[c].state == Connection::State::loading) {
      give_back(c);
      quit(c);
    }
  });
  settle();
}

void Scheduler::Impl::check_drained() {
  if (!draining || !drained || in_place[static_cast<std::size_t>(Place::in_flight)] > 0) return;
  ports.loop.post(std::exchange(drained, nullptr));
}

Scheduler::Scheduler(Ports ports, SchedulerSettings settings)
    : impl_(std::make_unique<Impl>(ports, std::move(settings))) {}
Scheduler::~Scheduler() = default;

void Scheduler::enqueue(const spool::MessagePtr& message, const std::vector<std::uint32_t>& recipients) {
  impl_->enqueue(message, recipients);
}

void Scheduler::restore(std::span<const spool::QueueEntry> entries) { impl_->restore(entries); }

void Scheduler::control(Control what, const Selection& which,
                        std::move_only_function<void(Result<ControlResult>)> done) {
  impl_->control(what, which, std::move(done));
}

SchedulerStats Scheduler::stats() const {
  const auto in = [&](Place p) { return impl_->in_place[static_cast<std::size_t>(p)]; };
  SchedulerStats stats = impl_->totals;
  stats.open = impl_->all.size();
  stats.ready = in(Place::ready);
  stats.in_flight = in(Place::in_flight);
  stats.held = in(Place::held);
  stats.connections = impl_->connections.size();
  stats.body_bytes = impl_->bodies.bytes();
  stats.most_body_bytes = impl_->bodies.most_bytes();
  return stats;
}

void Scheduler::drain(Task done) { impl_->drain(std::move(done)); }

}  // namespace relay::queue
