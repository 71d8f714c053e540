// One connection: from dial, over its transactions, to its end or to the next host.
#include <algorithm>

#include "mta/base/log.h"
#include "mta/queue/scheduler_impl.h"

namespace relay::queue {
namespace {

using State = Connection::State;
using Afterwards = Connection::Afterwards;
using wire::TlsLevel;

}  // namespace

void Scheduler::Impl::open(Slot site) {
  Connection c;
  c.site = site;
  c.targets = sites[site].targets.plan(ports.loop.now(), settings.addresses_per_attempt);
  c.started = ports.loop.now();
  RELAY_ASSERT(!c.targets.empty());
  const Slot slot = connections.add(std::move(c));
  sites[site].connections.push_back(slot);
  dial(slot);
}

void Scheduler::Impl::dial(Slot slot) {
  Connection& c = connections[slot];
  c.state = State::opening;
  c.afterwards = Afterwards::close;
  c.established = false;
  c.transactions = 0;
  c.has_rested = false;
  // The dialer and its sessions outlive the scheduler.
  auto progress = [life = alive(), this, their = ports,
                   at = Handle{slot, connections.generation(slot)}](net::SessionId session) {
    if (life.expired())
      say_goodbye(their, session);
    else
      on_progress(at, session);
  };
  c.session = ports.dialer.dial(c.targets[c.at],
                                std::make_unique<wire::ClientDialog>(client_settings(c), ports.loop.now()),
                                std::move(progress));
}

// Of the next session with this target.
wire::ClientSettings Scheduler::Impl::client_settings(const Connection& c) const {
  wire::ClientSettings client = settings.client;
  if (sites[c.site].destination.tls_required)
    client.tls.level = std::max(client.tls.level, TlsLevel::encrypt);
  else if (c.without_tls)
    client.tls.level = TlsLevel::none;
  client.helo_only = c.helo_only;
  return client;
}

void Scheduler::Impl::on_progress(Handle at, net::SessionId session) {
  if (!connections.is(at.slot, at.generation) || connections[at.slot].session != session) return;
  wire::ClientDialog* dialog = ports.dialer.dialog(session);
  if (!dialog) return on_over(at.slot);
  if (connections[at.slot].state == State::busy)
    if (const auto result = dialog->take_result()) on_result(at.slot, *result);
  if (dialog->finished()) {
    on_finished(at.slot, *dialog);
    // Over is what the dialer no longer knows; this call may still be inside the session.
    ports.loop.post(guarded([this, at, session] {
      if (!connections.is(at.slot, at.generation) || connections[at.slot].session != session) return;
      if (!ports.dialer.dialog(session)) on_over(at.slot);
      settle();
    }));
  } else if (dialog->ready() && connections[at.slot].state == State::opening) {
    connections[at.slot].established = true;
    next(at.slot);
  } else if (dialog->ready() && connections[at.slot].state == State::closing) {
    quit(at.slot);  // RSET was under way when it was to quit
  }
  settle();
}

// No more transactions here. Decides what follows once the session is over.
void Scheduler::Impl::on_finished(Slot slot, const wire::ClientDialog& dialog) {
  Connection& c = connections[slot];
  const State was = std::exchange(c.state, State::closing);
  if (was == State::idle) ports.loop.cancel(c.idle_timer);
  if (was == State::loading) return ended_while_loading(c);
  if (was != State::opening || c.established) return;  // the result, or quit(), has decided
  const wire::Fact fact = dialog.session_failure().value_or(
      wire::Fact{wire::Stage::greeting, wire::Closed{wire::Closed::Why::end_of_file, "connection closed"}});
  if (retry_otherwise(c, fact, dialog.tls().has_value())) {
    c.afterwards = Afterwards::again;
    return;
  }
  note_route(c.targets[c.at], fact);
  refused(c, fact, dialog.tls().has_value());
  c.afterwards = Afterwards::next_target;
  const Verdict verdict = judge_of(c, fact);
  if (verdict.try_next_host) return;
  log::warn("the host refuses this relay site={} host={} stage={} why={}",
            log::printable(sites[c.site].destination.site), log::printable(c.targets[c.at].name),
            wire::phrase(fact.stage), log::printable(verdict.detail));
  c.targets.resize(c.at + 1);  // so would the others
}

// The same host again, asked for less; once each a host and attempt. Opportunistic TLS (RFC 7435) prefers
// mail in clear to no mail.
bool Scheduler::Impl::retry_otherwise(Connection& c, const wire::Fact& fact, bool tls) const {
  const wire::ClientSettings tried = client_settings(c);
  const bool shaking =
      fact.stage == wire::Stage::handshake ||
      (fact.stage == wire::Stage::starttls && !std::holds_alternative<wire::Reply>(fact.answer));
  if (shaking && tried.tls.level == TlsLevel::opportunistic && !tried.tls.implicit)
    c.without_tls = true;
  else if (may_know_helo(tried, fact, tls))
    c.helo_only = true;
  else
    return false;
  log::info("{}, trying without host={} stage={}", shaking ? "TLS failed" : "EHLO failed",
            log::printable(c.targets[c.at].name), wire::phrase(fact.stage));
  return true;
}

void Scheduler::Impl::on_over(Slot slot) {
  Connection& c = connections[slot];
  const Slot site = c.site;
  if (draining) {
    give_back(slot);
    c.afterwards = Afterwards::close;
  }
  switch (c.afterwards) {
    case Afterwards::close: return close(slot);
    case Afterwards::again: return dial(slot);
    case Afterwards::next_target: break;
  }
  sites[site].targets.failed(c.targets[c.at], ports.loop.now() + settings.host_rest);
  c.without_tls = c.helo_only = false;
  if (++c.at < c.targets.size()) return dial(slot);
  const std::vector<Slot> recipients = std::move(c.recipients);
  const spool::MessagePtr message = c.body != no_slot ? bodies.content(c.body) : nullptr;
  const Attempt refusal = c.refusal.value();
  close(slot);
  if (recipients.empty() && sites[site].ready.size() == 0) return;  // delivered meanwhile, or held
  site_failed(site, refusal, recipients, message);
}

void Scheduler::Impl::on_result(Slot slot, const wire::TransactionResult& result) {
  Connection& c = connections[slot];
  RELAY_ASSERT(result.recipients.size() == c.recipients.size());
  const std::vector<Slot> recipients = std::exchange(c.recipients, {});
  const auto tickets = std::exchange(c.tickets, nullptr);
  std::vector<spool::Ticket> answered_no;
  const bool reused = c.transactions > 1 || c.has_rested;
  bool well = false, lost = false, slowed = false;
  Pauses pauses;
  for (std::size_t i = 0; i < recipients.size(); ++i) {
    const wire::Fact& fact = result.recipients[i];
    const Verdict verdict = judge_of(c, fact);
    const bool answered = std::holds_alternative<wire::Reply>(fact.answer);
    spool::Ticket ticket = tickets && !tickets->empty() ? (*tickets)[i] : 0;
    // Certain that the host does not have it: no outcome need be awaited.
    if (verdict.disposition != Disposition::delivered && !verdict.in_doubt)
      answered_no.push_back(std::exchange(ticket, 0));
    if (verdict.disposition != Disposition::delivered && verdict.try_next_host && !verdict.in_doubt) {
      refused(c, fact, result.tls);
      c.recipients.push_back(recipients[i]);
      continue;
    }
    well |= answered;
    slowed |= verdict.slow_down;
    lost |= !answered && !std::holds_alternative<wire::Unsupported>(fact.answer);
    slow_down(c, verdict, fact);
    conclude(recipients[i], {verdict.disposition, event_of(fact, verdict, c, result.tls), verdict.about},
             pauses, bodies.content(c.body), ticket);
  }
  if (ports.in_flight) ports.in_flight->settle(answered_no);
  if (well && !slowed)
    site_well(c.site, c.started);
  else if (lost && !backing_off.contains(c.site) && hopeful(sites[c.site]) <= 1)
    broke_off(c);
  if (!c.recipients.empty()) {
    // A kept connection may have ended while it was idle; that says nothing of the host.
    c.afterwards = reused ? Afterwards::again : Afterwards::next_target;
    return quit(slot);
  }
  release(c);
  c.refusal.reset();
  c.state = State::opening;  // until it is ready again; RSET may be under way
}

// The host ended the only connection after the final dot. Another message would fare no better now. The retry
// comes here again, as another host would surely make a duplicate; but not for ever.
void Scheduler::Impl::broke_off(const Connection& c) {
  back_off(c.site, "");
  if (sites[c.site].failures > 1)
    sites[c.site].targets.failed(c.targets[c.at], backing_off.due(c.site) + settings.host_rest);
}

// The session is ready for a transaction, if there is one.
void Scheduler::Impl::next(Slot slot) {
  Connection& c = connections[slot];
  stop_idling(c);
  if (draining) {
    give_back(slot);
    return quit(slot);
  }
  if (!c.recipients.empty()) return begin(slot);  // brought along from another session
  const bool turn_over = others_wait() && c.transactions >= settings.messages_per_turn;
  if (c.transactions >= settings.messages_per_connection || turn_over) return quit(slot);
  if (paused() || !take_message(slot)) return others_wait() ? quit(slot) : rest(slot);
  c.started = ports.loop.now();
  begin(slot);
}

void Scheduler::Impl::start(Slot slot) {
  if (!sender_known(slot)) return;
  Connection& c = connections[slot];
  const spool::Message& message = *bodies.content(c.body);
  wire::Transaction transaction;
  transaction.reverse_path = message.envelope.reverse_path;
  for (const Slot r : c.recipients)
    transaction.recipients.push_back(message.envelope.recipients[all[r].index]);
  transaction.smtputf8 = message.envelope.smtputf8;
  transaction.eight_bit = message.envelope.eight_bit;
  transaction.ret = message.envelope.ret;
  transaction.id = message.envelope.id;
  transaction.body = message.body;
  if (ports.in_flight) note(c, transaction);
  c.state = State::busy;
  sites[c.site].shaper.begun(ports.loop.now());
  ++c.transactions;
  wire::ClientDialog& dialog = *ports.dialer.dialog(c.session);
  dialog.start(std::move(transaction), ports.loop.now());
  if (!dialog.output().empty()) return ports.dialer.kick(c.session);
  // Nothing could be sent (an extension is missing), so the result is there and no event of the session will
  // tell.
  ports.loop.post(guarded([this, at = Handle{slot, connections.generation(slot)}, session = c.session] {
    on_progress(at, session);
  }));
}

// The attempt goes into the ledger when its content is about to end, even if this scheduler has gone by then.
void Scheduler::Impl::note(Connection& c, wire::Transaction& transaction) {
  std::vector<spool::InFlight::Attempt> attempts;
  for (const Slot r : c.recipients) attempts.push_back({all.ref(r), all[r].attempts});
  c.tickets = std::make_shared<std::vector<spool::Ticket>>();
  transaction.before_end = [ledger = ports.in_flight, attempts = std::move(attempts),
                            tickets = c.tickets](std::span<const std::size_t> undecided) {
    std::vector<spool::InFlight::Attempt> noted;
    for (const std::size_t i : undecided) noted.push_back(attempts[i]);
    const std::vector<spool::Ticket> given = ledger->begin(noted);
    tickets->resize(attempts.size());
    for (std::size_t i = 0; i < undecided.size(); ++i) (*tickets)[undecided[i]] = given[i];
  };
}

void Scheduler::Impl::rest(Slot slot) {
  Connection& c = connections[slot];
  c.state = State::idle;
  c.has_rested = true;
  c.idle_since = ports.loop.now();
  c.idle_timer = ports.loop.at(c.idle_since + settings.idle,
                               guarded([this, at = Handle{slot, connections.generation(slot)}] {
                                 if (!connections.is(at.slot, at.generation)) return;
                                 if (connections[at.slot].state == State::idle) quit(at.slot);
                                 settle();
                               }));
}

void Scheduler::Impl::stop_idling(Connection& c) {
  ports.loop.cancel(c.idle_timer);
  c.idle_timer = {};
}

void Scheduler::Impl::quit(Slot slot) {
  Connection& c = connections[slot];
  stop_idling(c);
  c.state = State::closing;
  say_goodbye(ports, c.session);
}

// While draining: what this connection would have carried to another host stays for the next start.
void Scheduler::Impl::give_back(Slot slot) {
  Connection& c = connections[slot];
  release(c);
  for (const Slot r : std::exchange(c.recipients, {})) put(r, Place::ready);
}

void Scheduler::Impl::close(Slot slot) {
  Connection& c = connections[slot];
  const Slot site = c.site;
  stop_idling(c);
  release(c);
  std::erase(sites[site].connections, slot);
  connections.remove(slot);
  mark(site);
}

}  // namespace relay::queue
