#include <unordered_map>
#include <utility>

#include "mta/dns/hosts.h"
#include "mta/dns/lookup.h"
#include "mta/dns/unbound_context.h"

namespace relay::dns {
namespace {

using Done = std::move_only_function<void(MailHosts)>;

// Everything on the loop's thread, but deliver(). Tasks posted to the loop name it weakly, so that they do
// nothing once it is gone.
class UnboundResolver final : public Resolver {
 public:
  UnboundResolver(const UnboundSettings& settings, Loop& loop, std::uint64_t seed)
      : loop_(loop),
        timeout_(settings.timeout),
        limits_(settings.limits),
        rng_(seed),
        hosts_(settings.hosts_file.empty() ? HostsTable() : read_hosts(settings.hosts_file)) {}

  ~UnboundResolver() override {
    context_.reset();
    for (auto& [id, pending] : lookups_) loop_.cancel(pending.timer);
  }

  Result<void> open(const UnboundSettings& settings) {
    auto context = UnboundContext::open(
        settings, [this](std::uint64_t id, Answer answer) { deliver(id, std::move(answer)); });
    if (!context) return std::unexpected(context.error());
    context_ = *std::move(context);
    return {};
  }

  void mail_hosts(const std::string& domain, Done done) override {
    begin(Lookup(Lookup::Kind::mail_hosts, domain, limits_), std::move(done));
  }

  void addresses(const std::string& name, Done done) override {
    std::string key = name;
    for (auto& c : key)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const auto entry = hosts_.find(key);
    if (entry == hosts_.end()) return begin(Lookup(Lookup::Kind::addresses, name, limits_), std::move(done));
    MailHosts known{MailHosts::Status::ok, {{name, 0, entry->second}}, "from the hosts file"};
    loop_.post([alive = weak(), known = std::move(known), done = std::move(done)]() mutable {
      if (alive.lock()) done(std::move(known));
    });
  }

 private:
  struct Pending {
    Lookup lookup;
    Done done;
    TimerId timer;
  };
  struct Asked {
    std::uint64_t lookup;
    Question question;
  };

  std::weak_ptr<UnboundResolver*> weak() const { return self_; }

  void begin(Lookup lookup, Done done) {
    const auto id = ++last_id_;
    const auto timer = loop_.at(loop_.now() + timeout_, [this, id] { finish(id, true); });
    auto& pending = lookups_.emplace(id, Pending{std::move(lookup), std::move(done), timer}).first->second;
    ask(id, pending.lookup.start());
    if (!pending.lookup.finished()) return;
    loop_.post([alive = weak(), id] {
      if (const auto self = alive.lock()) (*self)->finish(id, false);
    });
  }

  void ask(std::uint64_t lookup, const std::vector<Question>& questions) {
    for (const auto& question : questions) {
      const auto id = ++last_id_;
      asked_.emplace(id, Asked{lookup, question});
      if (auto sent = context_->ask(id, question); !sent)
        deliver(id, {Answer::Status::failed, {}, sent.error().message});
    }
  }

  // Also on the context's thread.
  void deliver(std::uint64_t id, Answer answer) {
    loop_.post([alive = weak(), id, answer = std::move(answer)] {
      if (const auto self = alive.lock()) (*self)->on_answer(id, answer);
    });
  }

  void on_answer(std::uint64_t id, const Answer& answer) {
    const auto asked = asked_.extract(id);
    RELAY_ASSERT(!asked.empty());
    const auto& [lookup, question] = asked.mapped();
    const auto found = lookups_.find(lookup);
    if (found == lookups_.end()) return;  // timed out before; the answer is in the cache for the next time
    ask(lookup, found->second.lookup.on_answer(question, answer, rng_));
    if (found->second.lookup.finished()) finish(lookup, false);
  }

  void finish(std::uint64_t id, bool timed_out) {
    auto pending = lookups_.extract(id);
    if (pending.empty()) return;
    loop_.cancel(pending.mapped().timer);
    pending.mapped().done(pending.mapped().lookup.result(timed_out));  // may destroy this
  }

  Loop& loop_;
  Duration timeout_;
  LookupLimits limits_;
  SeededRng rng_;
  HostsTable hosts_;
  std::uint64_t last_id_ = 0;
  std::unordered_map<std::uint64_t, Pending> lookups_;
  std::unordered_map<std::uint64_t, Asked> asked_;
  std::shared_ptr<UnboundResolver*> self_ = std::make_shared<UnboundResolver*>(this);
  std::unique_ptr<UnboundContext> context_;  // destroyed first: its thread calls deliver()
};

}  // namespace

Result<std::unique_ptr<Resolver>> make_unbound(const UnboundSettings& settings, Loop& loop,
                                               std::uint64_t seed) {
  auto resolver = std::make_unique<UnboundResolver>(settings, loop, seed);
  if (auto opened = resolver->open(settings); !opened) return std::unexpected(opened.error());
  return resolver;
}

}  // namespace relay::dns
