#include "mta/dns/lookup.h"

#include <algorithm>
#include <utility>

#include "mta/dns/screen.h"

namespace relay::dns {
namespace {

// RFC 5321 5.1: equals in random order, so that load spreads.
template <class T>
void shuffle(std::vector<T>& all, Rng& rng) {
  for (std::size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[rng.below(i)]);
}

std::string lower_case(std::string name) {
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return name;
}

}  // namespace

Lookup::Lookup(Kind kind, std::string name, const Settings& settings)
    : kind_(kind), name_(std::move(name)), settings_(settings) {
  if (name_.ends_with('.')) name_.pop_back();
}

void Lookup::note(const std::string& what) {
  if (!notes_.empty()) notes_ += "; ";
  notes_ += what;
}

void Lookup::decide(MailHosts::Status status, const std::string& why) {
  decided_ = true;
  status_ = status;
  note(why);
}

void Lookup::failure(const Question& question, const Answer& answer) {
  bogus_ = bogus_ || answer.bogus;
  note(std::string(text(question.type)) + " look-up of " + question.name + ": " + answer.detail);
}

std::vector<Question> Lookup::start() {
  const auto address = kind_ == Kind::mail_hosts ? domain_literal(name_) : literal_address(name_);
  if (address) {
    candidates_.push_back({.host = {name_, 0, {}}});
    (address->find(':') == std::string::npos ? candidates_[0].v4 : candidates_[0].v6).push_back(*address);
    candidates_[0].insecure = true;
    return {};
  }
  if (!host_name(name_)) {
    decide(MailHosts::Status::no_domain, "not a domain name");
    return {};
  }
  if (kind_ == Kind::mail_hosts) {
    open_ = 1;
    return {{name_, Type::mx}};
  }
  secure_ = settings_.validated;  // an administrator has named the host
  candidates_.push_back({.host = {name_, 0, {}}});
  return ask_addresses();
}

std::vector<Question> Lookup::ask_addresses() {
  std::vector<Question> questions;
  for (auto& candidate : candidates_) {
    questions.push_back({candidate.host.name, Type::aaaa});
    questions.push_back({candidate.host.name, Type::a});
    candidate.open = 2;
  }
  open_ += questions.size();
  return questions;
}

std::vector<Question> Lookup::on_answer(const Question& question, const Answer& answer, Rng& rng) {
  RELAY_ASSERT(open_ > 0);
  --open_;
  switch (question.type) {
    case Type::mx: on_mx(answer, rng); return ask_addresses();
    case Type::cname: on_alias(question, answer); return {};
    default: return on_address(question, answer, rng);
  }
}

void Lookup::on_mx(const Answer& answer, Rng& rng) {
  using Status = MailHosts::Status;
  secure_ = answer.secure;
  switch (answer.status) {
    case Answer::Status::failed: decided_ = true; return failure({name_, Type::mx}, answer);
    case Answer::Status::no_domain: return decide(Status::no_domain, "domain " + name_ + " does not exist");
    case Answer::Status::no_data:
      if (own_name(settings_.rules, lower_case(name_))) return decide(Status::loop, name_ + " is this relay");
      candidates_.push_back({.host = {name_, 0, {}}});
      return;
    case Answer::Status::data: break;
  }
  explicit_mx_ = true;
  std::vector<Mx> records;
  for (const auto& data : answer.data) {
    if (auto mx = parse_mx(data))
      records.push_back(*std::move(mx));
    else
      note("an MX record that names no host");
  }
  // RFC 7505 3: the null MX stands alone; beside others "." is no host.
  if (answer.data.size() == 1 && records.size() == 1 && records[0].exchange.empty())
    return decide(Status::null_mx, name_ + " does not accept mail (null MX)");
  std::erase_if(records, [](const Mx& mx) { return mx.exchange.empty(); });
  shuffle(records, rng);
  std::ranges::stable_sort(records, {}, &Mx::preference);
  loop_ = drop_own(records, settings_.rules);
  if (loop_ && records.empty())
    return decide(Status::loop, "no mail host of " + name_ + " is preferred to this relay");
  use(std::move(records));
}

void Lookup::use(std::vector<Mx> records) {
  for (auto& mx : records) {
    const bool known =
        std::ranges::any_of(candidates_, [&](const Candidate& c) { return c.host.name == mx.exchange; });
    if (known) continue;
    if (candidates_.size() == settings_.limits.hosts) {
      note("only the first " + std::to_string(settings_.limits.hosts) + " MX hosts are used");
      break;
    }
    candidates_.push_back({.host = {std::move(mx.exchange), mx.preference, {}}});
  }
}

Lookup::Candidate& Lookup::candidate(const std::string& name) {
  const auto found =
      std::ranges::find_if(candidates_, [&](const Candidate& c) { return c.host.name == name; });
  RELAY_ASSERT(found != candidates_.end());
  return *found;
}

std::vector<Question> Lookup::on_address(const Question& question, const Answer& answer, Rng& rng) {
  Candidate& found = candidate(question.name);
  --found.open;
  if (answer.status == Answer::Status::failed) {
    found.failed = true;
    failure(question, answer);
  }
  if (answer.status == Answer::Status::no_domain) found.missing = true;
  if (!answer.canonical.empty()) found.canonical = answer.canonical;
  auto& addresses = question.type == Type::aaaa ? found.v6 : found.v4;
  for (const auto& data : answer.data)
    if (auto address = parse_address(question.type, data)) addresses.push_back(*std::move(address));
  shuffle(addresses, rng);
  addresses.resize(std::min(addresses.size(), settings_.limits.addresses));
  if (!addresses.empty() && !answer.secure) found.insecure = true;
  if (found.open > 0 || !asks_alias(found)) return {};
  ++open_;
  return {{found.host.name, Type::cname}};
}

// RFC 7672 2.2.2: an alias to where nothing is signed may still have TLSA records under its own name, if the
// alias is signed itself. Without secure MX records there is no DANE anyway.
bool Lookup::asks_alias(const Candidate& of) const {
  return secure_ && of.insecure && !of.canonical.empty() && !(of.v4.empty() && of.v6.empty());
}

void Lookup::on_alias(const Question& question, const Answer& answer) {
  Candidate& found = candidate(question.name);
  found.alias_known = true;
  found.alias_secure = answer.secure && answer.status == Answer::Status::data;
  if (answer.status != Answer::Status::failed) return;
  // Whether the host promises anything cannot be known, so it is not used without (RFC 7672 2.1.1).
  found.failed = true;
  found.v6.clear();
  found.v4.clear();
  failure(question, answer);
}

Host Lookup::host_of(const Candidate& from) const {
  Host host = from.host;
  host.addresses = settings_.rules.ipv6_first ? alternating(from.v6, from.v4) : alternating(from.v4, from.v6);
  host.secure = !from.insecure;
  if (host.secure) {
    if (!from.canonical.empty()) host.tlsa_bases.push_back(from.canonical);
    host.tlsa_bases.push_back(host.name);
  } else if (from.alias_secure) {
    host.tlsa_bases.push_back(host.name);
  }
  return host;
}

MailHosts Lookup::without_hosts(MailHosts result, bool temporary, bool loop, bool refused) const {
  using Status = MailHosts::Status;
  if (temporary) {
    result.status = Status::temporary;
    result.bogus = bogus_;
    if (result.detail.empty()) result.detail = "the look-up of " + name_ + " timed out";
    return result;
  }
  const std::string notes = std::exchange(result.detail, {});
  result.status = loop ? Status::loop : refused ? Status::refused : Status::no_domain;
  if (loop)
    result.detail = "no mail host of " + name_ + " that can be used is preferred to this relay";
  else if (refused)
    result.detail = "no mail host of " + name_ + " has an address that mail is sent to";
  else if (explicit_mx_)
    result.detail = "no MX host of " + name_ + " has an address";
  else if (candidates_.size() == 1 && candidates_[0].missing)
    result.detail = (kind_ == Kind::addresses ? "host " : "domain ") + name_ + " does not exist";
  else
    result.detail = name_ + (kind_ == Kind::addresses ? " has no address" : " has neither MX nor address");
  if (!notes.empty()) result.detail += "; " + notes;
  return result;
}

MailHosts Lookup::result(bool timed_out) const {
  MailHosts result{decided_ ? status_ : MailHosts::Status::ok, {}, notes_, secure_};
  result.bogus = decided_ && bogus_;
  if (decided_) return result;
  bool failed = timed_out;
  std::vector<Host> hosts;
  std::string bare;
  for (const auto& candidate : candidates_) {
    failed = failed || candidate.failed;
    // At the time-out. Who can suppress the answer must not win anything by it.
    if (asks_alias(candidate) && !candidate.alias_known) continue;
    Host host = host_of(candidate);
    if (!host.addresses.empty())
      hosts.push_back(std::move(host));
    else if (!candidate.failed)
      bare += (bare.empty() ? "" : "; ") + host.name + " has no address";
  }
  Screened screened;
  if (kind_ == Kind::mail_hosts)
    screened = screen(std::move(hosts), settings_.rules);
  else
    screened.hosts = std::move(hosts);
  const auto tell = [&](const std::string& what) {
    if (!what.empty()) result.detail += (result.detail.empty() ? "" : "; ") + what;
  };
  tell(screened.notes);
  result.hosts = std::move(screened.hosts);
  if (result.hosts.empty())
    return without_hosts(std::move(result), failed, loop_ || screened.loop, screened.refused);
  tell(bare);
  return result;
}

}  // namespace relay::dns
