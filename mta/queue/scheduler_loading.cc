// The content for a connection's transaction: in memory already, or loaded while the connection waits.
#include <algorithm>

#include "mta/base/log.h"
#include "mta/queue/scheduler_impl.h"

namespace relay::queue {
namespace {

using State = Connection::State;
using Afterwards = Connection::Afterwards;

}  // namespace

// The next transaction's recipients; false if nothing is ready.
bool Scheduler::Impl::take_message(Slot slot) {
  Connection& c = connections[slot];
  if (!may_begin(c.site)) return false;
  c.recipients = take_ready(c.site);
  if (c.recipients.empty()) return false;
  c.body = bodies.use(all[c.recipients.front()].message);
  return true;
}

// The session is ready and the recipients are chosen: starts as soon as the content is in memory.
void Scheduler::Impl::begin(Slot slot) {
  Connection& c = connections[slot];
  if (bodies.content(c.body)) return start(slot);
  c.state = State::loading;
  c.idle_since = ports.loop.now();
  if (!bodies.wait(c.body, {slot, connections.generation(slot)})) return;
  loads.push_back(
      {bodies.handle(c.body), all.message_of(c.recipients.front()).id, settings.load_unasked_bytes});
}

// In order, so that a large content gets its room at last.
void Scheduler::Impl::load_what_fits() {
  for (; !loads.empty(); loads.pop_front()) {
    const Load load = loads.front();
    if (!bodies.is(load.body)) continue;  // nobody wants it any more
    if (!bodies.reserve(load.body.slot, load.bytes)) return;
    ports.loader.load(load.message, load.bytes, ports.loop,
                      guarded([this, load](Result<spool::MessagePtr> loaded) {
                        on_loaded(load, std::move(loaded));
                        settle();
                      }));
  }
}

void Scheduler::Impl::on_loaded(const Load& load, Result<spool::MessagePtr> loaded) {
  const Slot body = load.body.slot;
  if (loaded && !(*loaded)->body) {
    bodies.unreserve(body);
    if ((*loaded)->size > load.bytes) {
      if (bodies.is(load.body)) loads.push_back({load.body, load.message, (*loaded)->size});
      return;
    }
    loaded = fail(Errc::corrupt, "the stored message lacks its content");
  }
  const std::vector<Handle> told = bodies.take_waiting(body);
  if (loaded)
    bodies.loaded(body, *loaded);
  else
    bodies.unreserve(body);
  for (const Handle& at : told) {
    if (!connections.is(at.slot, at.generation)) continue;
    const Connection& c = connections[at.slot];
    if (c.state != State::loading || c.body != body) continue;
    if (!loaded)
      unreadable(at.slot, loaded.error());
    else if (all[c.recipients.back()].index >= (*loaded)->envelope.recipients.size())
      unreadable(at.slot, {Errc::corrupt, "the stored message lacks a recipient"});
    else
      start(at.slot);
  }
}

// Whether the sender's domain takes mail itself. If not, the message is refused; if it is not known yet, the
// transaction starts once it is. A route's host has rules of its own, and may be where there is no DNS.
bool Scheduler::Impl::sender_known(Slot slot) {
  Connection& c = connections[slot];
  if (sites[c.site].destination.fixed || !settings.refuse_null_mx_senders) return true;
  const std::string path = bodies.content(c.body)->envelope.reverse_path;
  const Senders::Word word = senders.word(path);
  if (word == Senders::Word::takes_mail) return true;
  c.state = State::loading;
  c.idle_since = ports.loop.now();
  const Handle at{slot, connections.generation(slot)};
  const auto waits = [this, at] {
    return connections.is(at.slot, at.generation) && connections[at.slot].state == State::loading;
  };
  if (word == Senders::Word::unknown) {
    senders.ask(path, guarded([this, at, waits] {
                  if (!waits()) return;
                  const Connection& it = connections[at.slot];  // perhaps with another message by now
                  if (it.body != no_slot && bodies.content(it.body)) start(at.slot);
                  settle();
                }));
    return false;
  }
  spool::Event event;
  event.stage = "looking up the sender's domain";
  event.host = wire::domain_of(path);
  event.detail = "5.7.27 the sender's domain accepts no mail itself (null MX)";  // RFC 7505 4.2
  Pauses none;
  for (const Slot r : std::exchange(c.recipients, {}))
    conclude(r, {Disposition::failed, event, {}}, none, nullptr);
  release(c);
  // Not at once: there may be very many of this sender.
  ports.loop.post(guarded([this, at, waits] {
    if (waits() && connections[at.slot].body == no_slot) next(at.slot);
    settle();
  }));
  return false;
}

void Scheduler::Impl::unreadable(Slot slot, const Error& error) {
  Connection& c = connections[slot];
  log::error("reading a message failed message={}: {}", all.message_of(c.recipients.front()).id.text(),
             error.message);
  const std::vector<Slot> recipients = std::exchange(c.recipients, {});
  release(c);
  // Damage stays; anything else (no memory, an I/O error) may pass. RFC 3463 3.4: X.3.0 of our own system.
  const bool final = error.code == Errc::corrupt || error.code == Errc::not_found;
  Pauses pauses;
  for (const Slot r : recipients) {
    spool::Event event;
    event.stage = "reading the message from the spool";
    event.detail = (final ? "5.3.0 " : "4.3.0 ") + error.message;
    conclude(r, {final ? Disposition::failed : Disposition::deferred, std::move(event), {}}, pauses, nullptr);
  }
  next(slot);
}

// Its recipients still count as wanting the content, if there are any.
void Scheduler::Impl::release(Connection& c) {
  if (c.body == no_slot) return;
  const Slot message = bodies.message(c.body);
  bodies.release(std::exchange(c.body, no_slot),
                 message != no_slot && all.active(message) > c.recipients.size());
}

// The host ended the session while it waited. If it could have become tired of that, it is dialled again, as
// after any rest; else it is a host that takes no mail.
void Scheduler::Impl::ended_while_loading(Connection& c) {
  const bool tired = ports.loop.now() - c.idle_since >= settings.idle;
  if (c.transactions > 0 || c.has_rested || tired) {
    c.afterwards = Afterwards::again;
    return;
  }
  refused(c, {wire::Stage::mail, wire::Closed{wire::Closed::Why::end_of_file, ""}}, false);
  c.afterwards = Afterwards::next_target;
}

// Takes a recipient in flight back, which is possible as long as its message is being loaded.
bool Scheduler::Impl::withdraw(Slot recipient) {
  const Slot site = all.domain_of(recipient).site;
  const auto waits_with = [&](Slot slot) {
    const Connection& c = connections[slot];
    return c.state == State::loading && std::ranges::find(c.recipients, recipient) != c.recipients.end();
  };
  const auto& of_site = sites[site].connections;
  const auto found = std::ranges::find_if(of_site, waits_with);
  if (found == of_site.end()) return false;
  Connection& c = connections[*found];
  std::erase(c.recipients, recipient);
  put(recipient, Place::ready);
  if (!c.recipients.empty()) return true;
  release(c);
  rest(*found);
  return true;
}

}  // namespace relay::queue
