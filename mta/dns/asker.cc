#include "mta/dns/asker.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <utility>

#include "mta/base/log.h"
#include "mta/dns/unbound_context.h"

namespace relay::dns {
namespace {

bool of_root(std::string_view record) {
  return record.starts_with(". ") || record.starts_with(".\t") || record.starts_with(".\"");
}

bool holds_root_key(const std::string& file) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    if (of_root(line)) return true;
  return false;
}

UnboundSettings without_root_keys(UnboundSettings settings) {
  settings.trust_anchor_file.clear();
  std::erase_if(settings.trust_anchors, of_root);
  return settings;
}

}  // namespace

struct Asker::Impl {
  Impl(UnboundSettings s, Loop& l, Answered a) : settings(std::move(s)), loop(l), answered(std::move(a)) {}
  ~Impl() { loop.cancel(timer); }

  Result<void> open();
  Result<std::unique_ptr<UnboundContext>> context(const UnboundSettings& with);
  void ask(std::uint64_t id, Question question);
  void send(std::uint64_t id);
  void on_answer(std::uint64_t serial, const Answer& answer);
  void start_probe(UnboundContext& of);
  void on_probe(const Answer& answer);
  void probe_again();
  void promote();
  void stay_without(const std::string& why);
  void go_on();

  const UnboundSettings settings;  // as to be used: without anchors where nothing is to be validated
  Loop& loop;
  Answered answered;
  bool waiting = false;    // questions do, for the probe
  bool validated = false;  // from the root, or from the anchors there are
  bool told = false;       // that it is not validated
  std::uint64_t last_serial = 0, probe_serial = 0;
  std::map<std::uint64_t, Question> questions;  // without answer, by id
  std::map<std::uint64_t, std::uint64_t> sent;  // serials, to ids
  TimerId timer;
  std::shared_ptr<Impl*> self = std::make_shared<Impl*>(this);
  // Destroyed first: their threads call back.
  std::unique_ptr<UnboundContext> active;
  std::unique_ptr<UnboundContext> candidate;  // with the root's keys, while it is not known whether it works
};

// The context's callback is on its own thread.
Result<std::unique_ptr<UnboundContext>> Asker::Impl::context(const UnboundSettings& with) {
  return UnboundContext::open(with,
                              [this, weak = std::weak_ptr<Impl*>(self)](std::uint64_t serial, Answer answer) {
                                loop.post([weak, serial, answer = std::move(answer)] {
                                  if (const auto alive = weak.lock()) (*alive)->on_answer(serial, answer);
                                });
                              });
}

Result<void> Asker::Impl::open() {
  const bool root = std::ranges::any_of(settings.trust_anchors, of_root) ||
                    (!settings.trust_anchor_file.empty() && holds_root_key(settings.trust_anchor_file));
  const bool try_out = settings.validation == Validation::automatic && root;
  auto opened = context(try_out ? without_root_keys(settings) : settings);
  if (!opened) return std::unexpected(opened.error());
  active = *std::move(opened);
  validated = !try_out && (!settings.trust_anchor_file.empty() || !settings.trust_anchors.empty());
  if (!root) return {};
  if (try_out) {
    auto with_keys = context(settings);
    if (!with_keys) return std::unexpected(with_keys.error());
    candidate = *std::move(with_keys);
    waiting = true;
    timer = loop.at(loop.now() + settings.probe_timeout, [this] {
      stay_without(
          "no answer within " +
          std::to_string(std::chrono::duration_cast<std::chrono::seconds>(settings.probe_timeout).count()) +
          " s");
    });
  }
  start_probe(candidate ? *candidate : *active);
  return {};
}

void Asker::Impl::start_probe(UnboundContext& of) {
  probe_serial = ++last_serial;
  if (auto asked = of.ask(probe_serial, {".", Type::ns}); !asked)
    on_probe({Answer::Status::failed, {}, asked.error().message});
}

void Asker::Impl::on_probe(const Answer& answer) {
  probe_serial = 0;
  if (answer.secure) {
    if (settings.announce) log::info("DNS answers are validated (DNSSEC)");
    if (candidate) promote();
    return;
  }
  const std::string why =
      answer.status == Answer::Status::failed ? answer.detail : "the root is not signed there";
  if (candidate) return stay_without(why);
  if (settings.announce)
    log::error(
        "resolver.validate is yes, but the keys of the DNS root cannot be validated ({}): mail whose hosts "
        "must be "
        "looked up is deferred",
        log::printable(why));
}

void Asker::Impl::promote() {
  loop.cancel(timer);
  active = std::move(candidate);
  validated = true;
  sent.clear();  // what the other context had not answered is asked anew
  waiting = true;
  go_on();
}

// For the time being: without the root's keys.
void Asker::Impl::stay_without(const std::string& why) {
  loop.cancel(timer);
  if (settings.announce && !std::exchange(told, true))
    log::warn(
        "DNS answers are not validated, as the keys of the DNS root cannot be ({}); it is tried again every "
        "{} s",
        log::printable(why), std::chrono::duration_cast<std::chrono::seconds>(settings.probe_pause).count());
  candidate.reset();
  probe_serial = 0;
  timer = loop.at(loop.now() + settings.probe_pause, [this] { probe_again(); });
  go_on();
}

void Asker::Impl::probe_again() {
  auto with_keys = context(settings);
  if (!with_keys) return stay_without(with_keys.error().message);
  candidate = *std::move(with_keys);
  timer = loop.at(loop.now() + settings.probe_pause, [this] { stay_without("no answer"); });
  start_probe(*candidate);
}

void Asker::Impl::go_on() {
  if (!std::exchange(waiting, false)) return;
  for (const auto& [id, question] : questions) send(id);
}

void Asker::Impl::ask(std::uint64_t id, Question question) {
  questions.emplace(id, std::move(question));
  if (!waiting) send(id);
}

void Asker::Impl::send(std::uint64_t id) {
  const auto serial = ++last_serial;
  sent.emplace(serial, id);
  if (auto asked = active->ask(serial, questions.at(id)); !asked)
    loop.post([weak = std::weak_ptr<Impl*>(self), serial, why = asked.error().message] {
      if (const auto alive = weak.lock()) (*alive)->on_answer(serial, {Answer::Status::failed, {}, why});
    });
}

void Asker::Impl::on_answer(std::uint64_t serial, const Answer& answer) {
  if (serial == probe_serial) return on_probe(answer);
  const auto of = sent.extract(serial);
  if (of.empty()) return;  // of a context that has been replaced
  questions.erase(of.mapped());
  answered(of.mapped(), answer);
}

Asker::Asker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Asker::~Asker() = default;

Result<std::unique_ptr<Asker>> Asker::open(const UnboundSettings& wanted, Loop& loop, Answered answered) {
  UnboundSettings settings = wanted;
  if (settings.validation == Validation::no) {
    settings.trust_anchor_file.clear();
    settings.trust_anchors.clear();
  }
  const auto& file = settings.trust_anchor_file;
  if (settings.validation == Validation::automatic && !file.empty() && access(file.c_str(), R_OK) != 0) {
    if (settings.announce)
      log::warn("DNS answers are not validated: the trust anchor file {} cannot be read", file);
    settings.trust_anchor_file.clear();
  }
  auto impl = std::make_unique<Impl>(std::move(settings), loop, std::move(answered));
  if (auto opened = impl->open(); !opened) return std::unexpected(opened.error());
  return std::unique_ptr<Asker>(new Asker(std::move(impl)));
}

void Asker::ask(std::uint64_t id, Question question) { impl_->ask(id, std::move(question)); }
bool Asker::validated() const { return impl_->validated; }

}  // namespace relay::dns
