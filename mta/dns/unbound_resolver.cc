#include <unordered_map>
#include <utility>

#include "mta/dns/asker.h"
#include "mta/dns/hosts.h"
#include "mta/dns/lookup.h"
#include "mta/dns/screen.h"

namespace relay::dns {
namespace {

TlsaRecords to_tlsa(const Answer& answer) {
  TlsaRecords result{answer.status, answer.secure, answer.bogus, {}, 0, answer.detail};
  for (const auto& data : answer.data) {
    if (auto record = parse_tlsa(data))
      result.records.push_back(*std::move(record));
    else
      ++result.unusable;
  }
  return result;
}

Texts to_texts(const Answer& answer) {
  Texts result{answer.status, answer.secure, answer.bogus, {}, answer.detail};
  for (const auto& data : answer.data)
    if (auto text = parse_txt(data)) result.texts.push_back(*std::move(text));
  return result;
}

bool is_null_mx(const Answer& answer) {
  if (answer.data.size() != 1) return false;  // RFC 7505 3: it stands alone
  const auto mx = parse_mx(answer.data[0]);
  return mx && mx->exchange.empty();
}

// Everything on the loop's thread. Tasks posted to the loop name it weakly, so that they do nothing once it
// is gone.
class UnboundResolver final : public Resolver {
 public:
  UnboundResolver(const UnboundSettings& settings, Loop& loop, std::uint64_t seed)
      : loop_(loop),
        timeout_(settings.timeout),
        lookup_settings_{settings.limits, settings.rules},
        rng_(seed),
        hosts_(settings.hosts_file.empty() ? HostsTable() : read_hosts(settings.hosts_file)) {}

  ~UnboundResolver() override {
    asker_.reset();
    for (auto& [id, pending] : lookups_) loop_.cancel(pending.timer);
    for (auto& [id, single] : singles_) loop_.cancel(single.timer);
  }

  Result<void> open(const UnboundSettings& settings) {
    auto asker = Asker::open(settings, loop_,
                             [this](std::uint64_t id, const Answer& answer) { on_answer(id, answer); });
    if (!asker) return std::unexpected(asker.error());
    asker_ = *std::move(asker);
    return {};
  }

  void mail_hosts(const std::string& domain, Done<MailHosts> done) override {
    begin(Lookup::Kind::mail_hosts, domain, std::move(done));
  }

  void addresses(const std::string& name, Done<MailHosts> done) override {
    std::string key = name;
    for (auto& c : key)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const auto entry = hosts_.find(key);
    if (entry == hosts_.end()) return begin(Lookup::Kind::addresses, name, std::move(done));
    MailHosts known{MailHosts::Status::ok, {{name, 0, ordered(entry->second)}}, "from the hosts file"};
    loop_.post([alive = weak(), known = std::move(known), done = std::move(done)]() mutable {
      if (alive.lock()) done(std::move(known));
    });
  }

  void tlsa(const std::string& base, std::uint16_t port, Done<TlsaRecords> done) override {
    // RFC 6698 3
    ask_one({"_" + std::to_string(port) + "._tcp." + base, Type::tlsa},
            [done = std::move(done)](const Answer& answer) mutable { done(to_tlsa(answer)); });
  }

  void txt(const std::string& name, Done<Texts> done) override {
    ask_one({name, Type::txt},
            [done = std::move(done)](const Answer& answer) mutable { done(to_texts(answer)); });
  }

  void null_mx(const std::string& domain, Done<bool> done) override {
    ask_one({domain, Type::mx},
            [done = std::move(done)](const Answer& answer) mutable { done(is_null_mx(answer)); });
  }

 private:
  using OneDone = std::move_only_function<void(const Answer&)>;
  struct Pending {
    Lookup lookup;
    Done<MailHosts> done;
    TimerId timer;
  };
  struct Single {
    OneDone done;
    TimerId timer;
  };
  struct Asked {
    std::uint64_t owner;  // in lookups_ or singles_
    Question question;
  };

  std::weak_ptr<UnboundResolver*> weak() const { return self_; }

  std::vector<std::string> ordered(const std::vector<std::string>& addresses) const {
    std::vector<std::string> v6, v4;
    for (const auto& address : addresses) (address.contains(':') ? v6 : v4).push_back(address);
    return lookup_settings_.rules.ipv6_first ? alternating(v6, v4) : alternating(v4, v6);
  }

  void begin(Lookup::Kind kind, const std::string& name, Done<MailHosts> done) {
    lookup_settings_.validated = asker_->validated();
    const auto id = ++last_id_;
    const auto timer = loop_.at(loop_.now() + timeout_, [this, id] { finish(id, true); });
    Lookup lookup(kind, name, lookup_settings_);
    auto& pending = lookups_.emplace(id, Pending{std::move(lookup), std::move(done), timer}).first->second;
    ask(id, pending.lookup.start());
    if (!pending.lookup.finished()) return;
    loop_.post([alive = weak(), id] {
      if (const auto self = alive.lock()) (*self)->finish(id, false);
    });
  }

  void ask_one(const Question& question, OneDone done) {
    const auto id = ++last_id_;
    const auto timer = loop_.at(loop_.now() + timeout_,
                                [this, id] { finish_one(id, {Answer::Status::failed, {}, "timed out"}); });
    singles_.emplace(id, Single{std::move(done), timer});
    if (host_name(question.name)) return ask(id, {question});
    loop_.post([alive = weak(), id] {
      if (const auto self = alive.lock())
        (*self)->finish_one(id, {Answer::Status::no_domain, {}, "not a domain name"});
    });
  }

  void ask(std::uint64_t owner, const std::vector<Question>& questions) {
    for (const auto& question : questions) {
      const auto id = ++last_id_;
      asked_.emplace(id, Asked{owner, question});
      asker_->ask(id, question);
    }
  }

  void on_answer(std::uint64_t id, const Answer& answer) {
    const auto asked = asked_.extract(id);
    RELAY_ASSERT(!asked.empty());
    const auto& [owner, question] = asked.mapped();
    const auto found = lookups_.find(owner);
    // Neither: timed out before; the answer is in the cache for the next time.
    if (found == lookups_.end()) return finish_one(owner, answer);
    ask(owner, found->second.lookup.on_answer(question, answer, rng_));
    if (found->second.lookup.finished()) finish(owner, false);
  }

  // Each may destroy this.
  void finish(std::uint64_t id, bool timed_out) {
    auto pending = lookups_.extract(id);
    if (pending.empty()) return;
    loop_.cancel(pending.mapped().timer);
    pending.mapped().done(pending.mapped().lookup.result(timed_out));
  }

  void finish_one(std::uint64_t id, const Answer& answer) {
    auto single = singles_.extract(id);
    if (single.empty()) return;
    loop_.cancel(single.mapped().timer);
    single.mapped().done(answer);
  }

  Loop& loop_;
  Duration timeout_;
  Lookup::Settings lookup_settings_;
  SeededRng rng_;
  HostsTable hosts_;
  std::uint64_t last_id_ = 0;
  std::unordered_map<std::uint64_t, Pending> lookups_;
  std::unordered_map<std::uint64_t, Single> singles_;
  std::unordered_map<std::uint64_t, Asked> asked_;
  std::shared_ptr<UnboundResolver*> self_ = std::make_shared<UnboundResolver*>(this);
  std::unique_ptr<Asker> asker_;
};

}  // namespace

Result<std::unique_ptr<Resolver>> make_unbound(const UnboundSettings& settings, Loop& loop,
                                               std::uint64_t seed) {
  auto resolver = std::make_unique<UnboundResolver>(settings, loop, seed);
  if (auto opened = resolver->open(settings); !opened) return std::unexpected(opened.error());
  return resolver;
}

}  // namespace relay::dns
