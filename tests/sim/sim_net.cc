#include "tests/sim/sim_net.h"

#include <algorithm>

namespace relay::sim {

using wire::Closed;

SimHost& SimDialer::add(const std::string& address, HostScript script) {
  return *(hosts_[address] = std::make_unique<SimHost>(std::move(script)));
}

net::SessionId SimDialer::dial(const net::Target& target, std::unique_ptr<wire::ClientDialog> dialog,
                               Progress progress) {
  const net::SessionId id{++last_slot_, ++last_generation_};
  Session& s = sessions_[id.slot];
  s.generation = id.generation;
  s.dialog = std::move(dialog);
  s.progress = std::make_shared<Progress>(std::move(progress));
  most_open_ = std::max(most_open_, sessions_.size());
  const auto found = hosts_.find(target.address);
  SimHost* host = found == hosts_.end() ? nullptr : found->second.get();
  if (host) ++host->dials;
  const Act act =
      host ? host->act(Point::connect, "", loop_.now()) : Act{.kind = Act::Kind::refuse, .text = ""};
  const bool no_route = !ipv6 && target.address.contains(':');
  flush(id);
  if (act.kind == Act::Kind::hang && !no_route) return id;
  loop_.after(latency + act.pause, [this, id, host, no_route, refuse = act.kind != Act::Kind::usual] {
    if (no_route)
      closed(id, {Closed::Why::no_route, "network is unreachable"});
    else if (refuse)
      closed(id, {Closed::Why::connect_failed, "connection refused"});
    else
      reach(id, host);
  });
  return id;
}

wire::ClientDialog* SimDialer::dialog(net::SessionId id) {
  Session* s = find(id);
  return s ? s->dialog.get() : nullptr;
}

void SimDialer::kick(net::SessionId id) {
  // As strict as the real one: a kick from within progress is an event of its own only if it brought output.
  const Session* s = find(id);
  if (s && s->in_progress && s->dialog->output().empty()) return;
  loop_.post([this, id] { serve(id); });
}

SimDialer::Session* SimDialer::find(net::SessionId id) {
  const auto found = sessions_.find(id.slot);
  return found == sessions_.end() || found->second.generation != id.generation ? nullptr : &found->second;
}

void SimDialer::reach(net::SessionId id, SimHost* host) {
  Session* s = find(id);
  if (!s || s->ending) return;
  s->remote = connect(*host);
  s->dialog->on_open({"192.0.2.254", 40000}, nullptr, loop_.now());
  answer(id, s->remote->greet(loop_.now()));
  serve(id);
}

void SimDialer::answer(net::SessionId id, std::vector<HostSession::Answer> answers) {
  Duration pause = latency;
  for (HostSession::Answer& one : answers) {
    pause += one.pause;
    loop_.after(pause, [this, id, it = std::move(one)] {
      Session* s = find(id);
      if (!s || s->ending) return;
      if (it.final && s->remote) s->remote->final_reply_arrived();
      if (!it.bytes.empty()) s->dialog->on_bytes(it.bytes, loop_.now());
      if (it.drop && !s->dialog->finished())
        return closed(id, {Closed::Why::end_of_file, "the host closed the connection"});
      serve(id);
    });
  }
}

void SimDialer::serve(net::SessionId id) {
  Session* s = find(id);
  if (!s || s->ending) return;
  flush(id);
  const std::shared_ptr<Progress> progress = s->progress;
  s->in_progress = true;
  (*progress)(id);
  s = find(id);
  if (s) s->in_progress = false;
  if (!s || s->ending) return;
  flush(id);
  if (s->dialog->wants() == wire::Want::close) {
    s->ending = true;
    loop_.cancel(s->deadline);
    s->remote.reset();
    loop_.post([this, id] { end(id); });
  }
}

// Output to the host, TLS if that is wanted, the timer.
void SimDialer::flush(net::SessionId id) {
  Session* s = find(id);
  const bool tls = s->dialog->wants() == wire::Want::tls_handshake;
  while (!s->dialog->output().empty()) {
    std::string bytes = s->dialog->output().take_text();
    const bool fits = bytes.size() <= window;
    loop_.after(latency, [this, id, fits, bytes = std::move(bytes)] { carry(id, bytes, !fits); });
    if (fits) s->dialog->on_sent(loop_.now());
  }
  if (tls && s->remote) {
    loop_.after(2 * latency, [this, id] {
      Session* to = find(id);
      if (!to || to->ending || !to->remote || to->dialog->wants() != wire::Want::tls_handshake) return;
      const Act act = to->remote->host().act(Point::handshake, "", loop_.now());
      if (act.kind == Act::Kind::hang) return;
      if (act.kind != Act::Kind::usual) return closed(id, {Closed::Why::tls_failed, "wrong version number"});
      to->remote->on_tls(loop_.now());
      to->dialog->on_tls({"TLSv1.3", "TLS_AES_256_GCM_SHA384"}, loop_.now());
      serve(id);
    });
  }
  loop_.cancel(s->deadline);
  if (s->dialog->deadline() == never) return;
  s->deadline = loop_.at(s->dialog->deadline(), [this, id] {
    Session* to = find(id);
    if (!to || to->ending) return;
    to->dialog->on_timeout(loop_.now());
    serve(id);
  });
}

// Bytes reach the host. What was more than the window has left only when the host has read it.
void SimDialer::carry(net::SessionId id, const std::string& bytes, bool report) {
  Session* s = find(id);
  if (!s || !s->remote) return;
  answer(id, s->remote->on_bytes(bytes, loop_.now()));
  if (!report || s->ending || !s->remote->reading()) return;
  s->dialog->on_sent(loop_.now());
  serve(id);
}

void SimDialer::closed(net::SessionId id, Closed why) {
  Session* s = find(id);
  if (!s || s->ending) return;
  s->ending = true;
  loop_.cancel(s->deadline);
  s->remote.reset();
  s->dialog->on_closed(why, loop_.now());
  loop_.post([this, id] { end(id); });
}

// The last progress; then the session is no more.
void SimDialer::end(net::SessionId id) {
  Session* s = find(id);
  if (!s) return;
  const std::shared_ptr<Progress> progress = s->progress;
  (*progress)(id);
  sessions_.erase(id.slot);
}

void SimResolver::add(const std::string& domain, const std::vector<std::string>& addresses) {
  dns::MailHosts found;
  found.status = dns::MailHosts::Status::ok;
  std::uint16_t preference = 10;
  for (const std::string& address : addresses) {
    found.hosts.push_back({"mx" + std::to_string(preference) + "." + domain, preference, {address}});
    preference = static_cast<std::uint16_t>(preference + 10);
  }
  table[domain] = std::move(found);
}

void SimResolver::mail_hosts(const std::string& domain, std::move_only_function<void(dns::MailHosts)> done) {
  ++asked;
  loop_.after(latency, [this, domain, done = std::move(done)]() mutable {
    const auto found = table.find(domain);
    dns::MailHosts none;
    none.status = dns::MailHosts::Status::no_domain;
    done(found == table.end() ? none : found->second);
  });
}

void SimResolver::tlsa(const std::string& base, std::uint16_t port, Done<dns::TlsaRecords> done) {
  const std::string name = "_" + std::to_string(port) + "._tcp." + base;
  loop_.after(latency, [this, name, done = std::move(done)]() mutable {
    const auto found = tlsa_table.find(name);
    dns::TlsaRecords none;
    none.status = dns::Answer::Status::no_data;
    done(found == tlsa_table.end() ? none : found->second);
  });
}

void SimResolver::txt(const std::string& name, Done<dns::Texts> done) {
  loop_.after(latency, [this, name, done = std::move(done)]() mutable {
    const auto found = txt_table.find(name);
    dns::Texts none;
    none.status = dns::Answer::Status::no_data;
    done(found == txt_table.end() ? none : found->second);
  });
}

void SimResolver::null_mx(const std::string& domain, Done<bool> done) {
  ++senders_asked;
  loop_.after(senders_latency.value_or(latency), [this, domain, done = std::move(done)]() mutable {
    const auto found = table.find(domain);
    done(found != table.end() && found->second.status == dns::MailHosts::Status::null_mx);
  });
}

void SimResolver::addresses(const std::string& name, std::move_only_function<void(dns::MailHosts)> done) {
  mail_hosts(name, std::move(done));
}

}  // namespace relay::sim
