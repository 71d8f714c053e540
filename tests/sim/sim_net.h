// The network of a simulation: a Dialer that connects the product's ClientDialog to scripted hosts, byte by
// byte over the virtual clock, and a Resolver with a table. Both drop everything at a crash.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "mta/dns/resolver.h"
#include "mta/net/dialer.h"
#include "tests/sim/sim_host.h"
#include "tests/sim/sim_loop.h"

namespace relay::sim {

class SimDialer final : public net::Dialer {
 public:
  explicit SimDialer(SimLoop& loop) : loop_(loop) {}

  // A host under each of its addresses ("192.0.2.1").
  SimHost& add(const std::string& address, HostScript script);
  SimHost& host(const std::string& address) { return *hosts_.at(address); }
  const std::map<std::string, std::unique_ptr<SimHost>>& hosts() const { return hosts_; }

  net::SessionId dial(const net::Target& target, std::unique_ptr<wire::ClientDialog> dialog,
                      Progress progress) override;
  wire::ClientDialog* dialog(net::SessionId id) override;
  void kick(net::SessionId id) override;

  // The process is gone: its connections end, and hosts learn of it.
  void crash() { sessions_.clear(); }
  std::size_t open() const { return sessions_.size(); }
  std::size_t most_open() const { return most_open_; }

  Duration latency = std::chrono::milliseconds(5);  // one way
  bool ipv6 = true;                                 // there is a route
  std::size_t window = 64 * 1024;                   // bytes that leave at once, whether or not the host reads

 private:
  struct Session {
    std::uint32_t generation = 0;
    std::unique_ptr<wire::ClientDialog> dialog;
    std::shared_ptr<Progress> progress;
    std::unique_ptr<HostSession> remote;
    TimerId deadline;
    bool ending = false;
    bool in_progress = false;
  };
  Session* find(net::SessionId id);
  void reach(net::SessionId id, SimHost* host);
  void answer(net::SessionId id, std::vector<HostSession::Answer> answers);
  void serve(net::SessionId id);  // does what the dialog wants, tells the owner
  void flush(net::SessionId id);
  void carry(net::SessionId id, const std::string& bytes, bool report);
  void closed(net::SessionId id, wire::Closed why);
  void end(net::SessionId id);

  SimLoop& loop_;
  std::map<std::string, std::unique_ptr<SimHost>> hosts_;
  std::map<std::uint32_t, Session> sessions_;
  std::uint32_t last_slot_ = 0;
  std::uint32_t last_generation_ = 0;
  std::size_t most_open_ = 0;
};

class SimResolver final : public dns::Resolver {
 public:
  explicit SimResolver(SimLoop& loop) : loop_(loop) {}
  std::map<std::string, dns::MailHosts> table;         // by domain or host name; missing: no_domain
  std::map<std::string, dns::TlsaRecords> tlsa_table;  // by "_25._tcp.mx.example"; missing: no data
  std::map<std::string, dns::Texts> txt_table;         // by name; missing: no data
  std::uint64_t asked = 0;                             // mail_hosts and addresses
  std::uint64_t senders_asked = 0;                     // null_mx
  std::optional<Duration> senders_latency;             // of null_mx; unless set, latency
  Duration latency = std::chrono::milliseconds(20);

  void add(const std::string& domain, const std::vector<std::string>& addresses);
  void mail_hosts(const std::string& domain, std::move_only_function<void(dns::MailHosts)> done) override;
  void addresses(const std::string& name, std::move_only_function<void(dns::MailHosts)> done) override;
  void tlsa(const std::string& base, std::uint16_t port, Done<dns::TlsaRecords> done) override;
  void txt(const std::string& name, Done<dns::Texts> done) override;
  void null_mx(const std::string& domain, Done<bool> done) override;  // from the table of mail_hosts

 private:
  SimLoop& loop_;
};

}  // namespace relay::sim
