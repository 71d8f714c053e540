// Which site gets connections, and what a site's failure does to it.
#include <algorithm>

#include "mta/base/log.h"
#include "mta/queue/scheduler_impl.h"

namespace relay::queue {

void Scheduler::Impl::pump(Slot slot) {
  Site& site = sites[slot];
  const bool begins = site.ready.size() > 0 && !paused() && may_begin(slot);
  if (!draining && site.no_mail.empty() && begins) {
    for (std::size_t i = 0; i < site.connections.size() && site.ready.size() > 0; ++i)
      if (connections[site.connections[i]].state == Connection::State::idle) next(site.connections[i]);
    while (wants_connection(slot)) {
      if (!site.targets.fresh(ports.loop.now())) {
        look_up(slot);
        break;
      }
      if (!room_for_connection(slot)) break;
      open(slot);
    }
  }
  forget_if_unused(slot);
}

// Ready mail is more than the connections being opened will take; busy ones may be busy for long.
bool Scheduler::Impl::wants_connection(Slot slot) {
  const Site& site = sites[slot];
  if (site.ready.size() == 0 || backing_off.contains(slot) || !site.no_mail.empty()) return false;
  if (site.shaper.next() > ports.loop.now()) return false;
  if (site.connections.size() >= (site.failures > 0 ? 1 : useful_connections(site))) return false;
  const auto to_come = static_cast<std::uint32_t>(std::ranges::count_if(site.connections, [&](Slot c) {
    const Connection& it = connections[c];
    return it.recipients.empty() &&
           (it.state == Connection::State::opening || it.afterwards != Connection::Afterwards::close);
  }));
  return site.ready.transactions(all, settings.recipients_per_transaction, to_come + 1) > to_come;
}

// A site that is sent to slowly has no use for many: one can carry several messages a second.
std::uint32_t Scheduler::Impl::useful_connections(const Site& site) const {
  if (!site.shaper.limited()) return site.limit;
  return std::min(site.limit, 1 + static_cast<std::uint32_t>(std::min(site.shaper.rate() / 2, 1e6)));
}

// Else it is looked at again when it may.
bool Scheduler::Impl::may_begin(Slot slot) {
  const Instant next = sites[slot].shaper.next();
  if (next <= ports.loop.now()) return true;
  pacing.put(slot, next);
  return false;
}

// The host says that this is too much.
void Scheduler::Impl::slow_down(const Connection& c, const Verdict& verdict, const wire::Fact& fact) {
  if (!verdict.slow_down) return;
  Site& site = sites[c.site];
  const auto& reply = std::get<wire::Reply>(fact.answer);
  if (!site.shaper.slow_down(c.started, ports.loop.now(),
                             {verdict.about->cause, verdict.about->scope, reply.text()}, verdict.about->pause,
                             settings.shaping))
    return;
  const auto open = static_cast<std::uint32_t>(site.connections.size());
  const bool by_connections = verdict.about->cause == Cause::too_many_connections;
  site.limit = std::max(1u, by_connections ? std::min(site.limit, open) - 1 : site.limit / 2);
  site.credit = 0;
  pacing.put(c.site, site.shaper.next());
  log::info("site slows down site={} cause={} scope={} rate={:.3f} connections={} pause_s={} reply={}",
            log::printable(site.destination.site), text(verdict.about->cause), text(verdict.about->scope),
            site.shaper.rate(), site.limit,
            std::chrono::ceil<std::chrono::seconds>(site.shaper.paused_until() - ports.loop.now()).count(),
            log::printable(reply.text()));
}

// Connections that work, or may yet.
std::uint32_t Scheduler::Impl::hopeful(const Site& site) const {
  return static_cast<std::uint32_t>(std::ranges::count_if(site.connections, [&](Slot c) {
    return connections[c].state != Connection::State::closing ||
           connections[c].afterwards != Connection::Afterwards::close;
  }));
}

// Connections that mail of every kind may have.
std::uint32_t Scheduler::Impl::common_connections() const {
  return settings.connections - static_cast<std::uint32_t>(std::uint64_t{settings.connections} *
                                                           settings.connections_reserved / 100);
}

// A site that has transactional mail and nobody to carry it.
bool Scheduler::Impl::may_use_reserve(const Site& site) const {
  return site.connections.empty() && site.ready.size() > 0 && weight_of(site.ready.next()) > 1;
}

// At the loop's limit the site stands in line, and for its sake the longest idle connection goes.
bool Scheduler::Impl::room_for_connection(Slot slot) {
  const bool free = connections.size() < common_connections();
  if (free && line.empty()) return true;
  stand_in_line(slot);
  if (free || connections.size() < settings.connections) return false;  // pump_in_line comes next
  Slot idlest = no_slot;
  connections.for_each([&](Slot c) {
    const Connection& it = connections[c];
    if (it.state == Connection::State::idle &&
        (idlest == no_slot || it.idle_since < connections[idlest].idle_since))
      idlest = c;
  });
  if (idlest != no_slot) quit(idlest);
  return false;
}

// Once for each tenant whose turn it is when the site looks: so that the turns are the tenants', not the
// sites'.
void Scheduler::Impl::stand_in_line(Slot slot) {
  Site& site = sites[slot];
  const Handle at{slot, sites.generation(slot)};
  const Slot recipient = site.ready.next(), tenant = all.message_of(recipient).tenant;
  const std::uint32_t weight = weight_of(recipient);
  if (std::ranges::find(site.in_line, tenant) == site.in_line.end()) {
    site.in_line.push_back(tenant);
    line.push_back(tenant, weight, at);
  }
  if (may_use_reserve(site) && !std::exchange(site.in_reserved_line, true))
    reserved_line.push_back(tenant, weight, at);
}

void Scheduler::Impl::pump_in_line() {
  while (!line.empty() && !draining && !paused() && connections.size() < common_connections()) {
    const ConnectionLine::Place first = line.take();
    if (!sites.is(first.site.slot, first.site.generation)) continue;
    std::erase(sites[first.site.slot].in_line, first.tenant);
    open_from_line(first.site.slot);
  }
  while (!reserved_line.empty() && !draining && !paused() && connections.size() < settings.connections) {
    const ConnectionLine::Place first = reserved_line.take();
    if (!sites.is(first.site.slot, first.site.generation)) continue;
    sites[first.site.slot].in_reserved_line = false;
    if (may_use_reserve(sites[first.site.slot])) open_from_line(first.site.slot);
  }
}

void Scheduler::Impl::open_from_line(Slot site) {
  if (!wants_connection(site)) return;
  if (sites[site].targets.empty())
    look_up(site);
  else
    open(site);
  mark(site);  // it may want another: behind the others
}

void Scheduler::Impl::look_up(Slot slot) {
  Site& site = sites[slot];
  if (site.looking_up) return;
  const Destination& to = site.destination;
  const std::uint16_t port = to.fixed ? to.fixed->port : 25;
  const std::string& name = to.fixed ? to.fixed->host : to.domain;
  const auto literal = to.fixed ? literal_target(name, port) : std::nullopt;  // a domain's may be refused
  if (literal) {
    site.targets.set({*literal}, never);
    return mark(slot);
  }
  site.looking_up = true;
  auto done = guarded([this, at = Handle{slot, sites.generation(slot)}, port](dns::MailHosts found) {
    if (!sites.is(at.slot, at.generation)) return;
    sites[at.slot].looking_up = false;
    on_hosts(at.slot, std::move(found), port);
    mark(at.slot);
    settle();
  });
  if (to.fixed)
    ports.resolver.addresses(name, std::move(done));
  else
    ports.resolver.mail_hosts(name, std::move(done));
}

void Scheduler::Impl::on_hosts(Slot slot, dns::MailHosts found, std::uint16_t port) {
  Site& site = sites[slot];
  const Destination& to = site.destination;
  if (found.status == dns::MailHosts::Status::ok) {
    auto targets = targets_of(found.hosts, port);
    const Instant now = ports.loop.now();
    leave_out(targets, no_route_until[0] > now, no_route_until[1] > now);
    if (!targets.empty())
      return site.targets.set(std::move(targets),
                              now + std::max<Duration>(settings.hosts_fresh, std::chrono::seconds(1)));
    found.detail = "no mail host has an address";
  }
  const Verdict verdict = judge(found, to.fixed.has_value());
  if (verdict.disposition == Disposition::failed) return refuse_all_ready(slot, verdict.detail);
  Attempt refusal;
  refusal.event.stage = "looking up mail hosts";
  refusal.event.host = to.fixed ? to.fixed->host : to.domain;
  refusal.event.detail = verdict.detail;
  if (draining || site.ready.size() == 0) return;
  site_failed(slot, refusal, {}, nullptr);
}

// What is looked up from now on leaves the family out for a while, where there is another.
void Scheduler::Impl::note_route(const net::Target& target, const wire::Fact& fact) {
  const auto* closed = std::get_if<wire::Closed>(&fact.answer);
  if (!closed || closed->why != wire::Closed::Why::no_route) return;
  const Instant now = ports.loop.now();
  if (std::exchange(no_route_until[ipv6(target) ? 1 : 0], now + settings.host_rest) > now) return;
  log::info("no route to {}: hosts are tried without {} for {} s", target.address,
            ipv6(target) ? "IPv6" : "IPv4",
            std::chrono::duration_cast<std::chrono::seconds>(settings.host_rest).count());
}

// The domain's own word, valid for all its recipients.
void Scheduler::Impl::refuse_all_ready(Slot slot, std::string detail) {
  sites[slot].no_mail = std::move(detail);
  refuse_some(slot);
}

void Scheduler::Impl::refuse_some(Slot slot) {
  Site& site = sites[slot];
  spool::Event event;
  event.stage = "looking up mail hosts";
  event.host = site.destination.domain;
  event.detail = site.no_mail;
  Pauses none;
  std::uint32_t left = settings.recipients_per_slice;
  for (; left > 0 && site.ready.size() > 0; --left) {
    if (left == 1)
      after_commit = [this, at = Handle{slot, sites.generation(slot)}] {
        if (sites.is(at.slot, at.generation)) refuse_some(at.slot);
      };
    conclude(site.ready.next(), {Disposition::failed, event, {}}, none, nullptr);
  }
  if (left > 0) site.no_mail.clear();
}

// Every host refused or failed. `recipients` were in flight; without any, the next transaction's stand for
// the site's mail.
void Scheduler::Impl::site_failed(Slot slot, const Attempt& refusal, std::vector<Slot> recipients,
                                  const spool::MessagePtr& message) {
  const std::uint32_t others = hopeful(sites[slot]);
  if (backing_off.contains(slot)) {
    if (recipients.empty()) return;
  } else if (others > 0) {  // perhaps the hosts take no more connections; the last to fail speaks for all
    sites[slot].limit = others;
    sites[slot].credit = 0;
    if (recipients.empty()) return;
  } else if (recipients.empty()) {
    recipients = take_ready(slot);
  }
  Pauses pauses;
  for (const Slot r : recipients) conclude(r, refusal, pauses, message);
  if (others > 0 || backing_off.contains(slot)) return;
  if (refusal.disposition != Disposition::deferred) {
    ++sites[slot].failures;
    return;
  }
  const wire::Reply& reply = refusal.event.reply;
  back_off(slot, reply.code != 0 ? reply.text() : refusal.event.detail);
}

void Scheduler::Impl::back_off(Slot slot, const std::string& why) {
  Site& site = sites[slot];
  ++site.failures;
  site.credit = 0;
  site.limit = std::clamp(settings.connections_at_first, 1u, settings.connections_per_site);
  const Duration pause = retry_pause(settings.retry, site.failures, Duration::zero(), ports.rng);
  backing_off.put(slot, ports.loop.now() + pause);
  bodies.drop_kept_for(slot);
  expire_ready(slot, why);
  log::info("site backs off site={} failures={} pause_s={} ready={}", log::printable(site.destination.site),
            site.failures, std::chrono::duration_cast<std::chrono::seconds>(pause).count(),
            site.ready.size());
}

void Scheduler::Impl::unblock(Slot slot) {
  backing_off.remove(slot);
  mark(slot);
}

// A host has spoken to a transaction as a working one does. Additive growth, as TCP's in congestion
// avoidance.
void Scheduler::Impl::site_well(Slot slot, Instant began) {
  Site& site = sites[slot];
  site.failures = 0;
  backing_off.remove(slot);
  site.shaper.went_well(began, ports.loop.now(), settings.shaping);
  if (site.limit >= settings.connections_per_site || ++site.credit < site.limit) return;
  site.credit = 0;
  ++site.limit;
}

// While a site is down its mail makes no attempts of its own, so nothing else ends its time. Looks at mail
// only when some can have expired, for there may be a million at a site.
void Scheduler::Impl::expire_ready(Slot slot, const std::string& why) {
  Site& site = sites[slot];
  if (site.expiring != no_slot || site.ready.size() == 0) return;
  if (ports.loop.wall() < site.oldest + settings.retry.window) return;
  site.oldest = WallTime::max();
  site.expiring_next = site.ready.tenants();
  next_expiring(site);
  expire_some(slot, why);
}

// From the end of a lane to the next one that is still there.
void Scheduler::Impl::next_expiring(Site& site) {
  while (site.expiring == no_slot && !site.expiring_next.empty()) {
    site.expiring = site.ready.first_of(site.expiring_next.back());
    site.expiring_next.pop_back();
  }
}

void Scheduler::Impl::expire_some(Slot slot, const std::string& why) {
  Site& site = sites[slot];
  auto go_on = [this, at = Handle{slot, sites.generation(slot)}, why] {
    if (sites.is(at.slot, at.generation)) expire_some(at.slot, why);
  };
  for (std::uint32_t left = settings.recipients_per_slice; site.expiring != no_slot; --left) {
    const Slot at = site.expiring;
    site.expiring = all[at].ready_next;
    next_expiring(site);
    const bool over = expired(at);
    if (left == 1 && over) after_commit = go_on;
    if (over)
      expire(at, why, "");
    else
      site.oldest = std::min(site.oldest, all.message_of(at).since);
    if (left > 1) continue;
    if (!over) ports.loop.post(guarded([this, go_on] { go_on(), settle(); }));
    return;
  }
}

// For the next mail to it. Those whose limit would be forgotten by now go, when there are many.
void Scheduler::Impl::remember(const Site& site) {
  if (slow_sites.size() >= settings.slow_sites) {
    const Instant now = ports.loop.now();
    std::erase_if(slow_sites, [&](const auto& one) {
      return now - one.second.paused_until() >= settings.shaping.forgotten;
    });
    if (slow_sites.size() >= settings.slow_sites) slow_sites.erase(slow_sites.begin());
  }
  slow_sites.insert_or_assign(site.destination.site, site.shaper);
}

void Scheduler::Impl::forget_if_unused(Slot slot) {
  const Site& site = sites[slot];
  if (site.dirty || site.domains > 0 || !site.connections.empty()) return;
  backing_off.remove(slot);
  pacing.remove(slot);
  if (site.shaper.limited()) remember(site);
  site_by_key.erase(site.destination.site);
  sites.remove(slot);
}

// The first ready recipient and those of the same message beside it, now in flight.
std::vector<Slot> Scheduler::Impl::take_ready(Slot slot) {
  ReadyMail& ready = sites[slot].ready;
  const Slot first = ready.next();
  if (first == no_slot) return {};
  ready.served(all.message_of(first).tenant);  // while he still stands there
  std::vector<Slot> taken;
  all.for_each_of(all.message_of(first).id, [&](Slot r) {
    if (all[r].place == Place::ready && all.domain_of(r).site == slot) taken.push_back(r);
  });
  std::ranges::sort(taken, {}, [&](Slot r) { return all[r].index; });
  if (taken.size() > settings.recipients_per_transaction) taken.resize(settings.recipients_per_transaction);
  for (const Slot r : taken) put(r, Place::in_flight);
  return taken;
}

}  // namespace relay::queue
