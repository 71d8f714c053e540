#include "mta/dns/lookup.h"

#include <algorithm>
#include <utility>

namespace relay::dns {

Lookup::Lookup(Kind kind, std::string name, LookupLimits limits)
    : kind_(kind), name_(std::move(name)), limits_(limits) {
  if (name_.ends_with('.')) name_.pop_back();
}

void Lookup::note(const std::string& what) {
  if (!notes_.empty()) notes_ += "; ";
  notes_ += what;
}

std::vector<Question> Lookup::start() {
  const auto address = kind_ == Kind::mail_hosts ? domain_literal(name_) : literal_address(name_);
  if (address) {
    candidates_.push_back({.host = {name_, 0, {}}});
    (address->find(':') == std::string::npos ? candidates_[0].v4 : candidates_[0].v6).push_back(*address);
    return {};
  }
  if (!host_name(name_)) {
    decided_ = true;
    status_ = MailHosts::Status::no_domain;
    note("not a domain name");
    return {};
  }
  if (kind_ == Kind::mail_hosts) {
    open_ = 1;
    return {{name_, Type::mx}};
  }
  candidates_.push_back({.host = {name_, 0, {}}});
  return ask_addresses();
}

std::vector<Question> Lookup::ask_addresses() {
  std::vector<Question> questions;
  for (const auto& candidate : candidates_) {
    questions.push_back({candidate.host.name, Type::aaaa});
    questions.push_back({candidate.host.name, Type::a});
  }
  open_ += questions.size();
  return questions;
}

std::vector<Question> Lookup::on_answer(const Question& question, const Answer& answer, Rng& rng) {
  RELAY_ASSERT(open_ > 0);
  --open_;
  if (question.type == Type::mx) {
    on_mx(answer, rng);
    return ask_addresses();
  }
  on_address(question, answer);
  return {};
}

void Lookup::on_mx(const Answer& answer, Rng& rng) {
  switch (answer.status) {
    case Answer::Status::failed:
      decided_ = true;
      note("MX look-up of " + name_ + ": " + answer.detail);
      return;
    case Answer::Status::no_domain:
      decided_ = true;
      status_ = MailHosts::Status::no_domain;
      note("domain " + name_ + " does not exist");
      return;
    case Answer::Status::no_data: candidates_.push_back({.host = {name_, 0, {}}}); return;
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
  const bool null_mx = answer.data.size() == 1 && records.size() == 1 && records[0].exchange.empty();
  if (null_mx) {
    decided_ = true;
    status_ = MailHosts::Status::null_mx;
    note(name_ + " does not accept mail (null MX)");
    return;
  }
  std::erase_if(records, [](const Mx& mx) { return mx.exchange.empty(); });
  // RFC 5321 5.1: equals in random order, so that load spreads.
  for (std::size_t i = records.size(); i > 1; --i) std::swap(records[i - 1], records[rng.below(i)]);
  std::ranges::stable_sort(records, {}, &Mx::preference);
  for (auto& mx : records) {
    const bool known =
        std::ranges::any_of(candidates_, [&](const Candidate& c) { return c.host.name == mx.exchange; });
    if (known) continue;
    if (candidates_.size() == limits_.hosts) {
      note("only the first " + std::to_string(limits_.hosts) + " MX hosts are used");
      break;
    }
    candidates_.push_back({.host = {std::move(mx.exchange), mx.preference, {}}});
  }
}

void Lookup::on_address(const Question& question, const Answer& answer) {
  const auto found =
      std::ranges::find_if(candidates_, [&](const Candidate& c) { return c.host.name == question.name; });
  RELAY_ASSERT(found != candidates_.end());
  if (answer.status == Answer::Status::failed) {
    found->failed = true;
    note(std::string(text(question.type)) + " look-up of " + question.name + ": " + answer.detail);
  }
  if (answer.status == Answer::Status::no_domain) found->missing = true;
  auto& addresses = question.type == Type::aaaa ? found->v6 : found->v4;
  for (const auto& data : answer.data) {
    if (addresses.size() == limits_.addresses) break;
    if (auto address = parse_address(question.type, data)) addresses.push_back(*std::move(address));
  }
}

MailHosts Lookup::without_addresses(bool temporary) const {
  MailHosts result;
  if (temporary) {
    result.detail = notes_.empty() ? "the look-up of " + name_ + " timed out" : notes_;
    return result;
  }
  result.status = MailHosts::Status::no_domain;
  if (explicit_mx_)
    result.detail = "no MX host of " + name_ + " has an address";
  else if (candidates_.size() == 1 && candidates_[0].missing)
    result.detail = (kind_ == Kind::addresses ? "host " : "domain ") + name_ + " does not exist";
  else
    result.detail = name_ + (kind_ == Kind::addresses ? " has no address" : " has neither MX nor address");
  if (!notes_.empty()) result.detail += "; " + notes_;
  return result;
}

MailHosts Lookup::result(bool timed_out) const {
  if (decided_) return {status_, {}, notes_};
  MailHosts result{MailHosts::Status::ok, {}, notes_};
  bool failed = timed_out;
  for (const auto& candidate : candidates_) {
    failed = failed || candidate.failed;
    Host host = candidate.host;
    host.addresses = candidate.v6;
    host.addresses.insert(host.addresses.end(), candidate.v4.begin(), candidate.v4.end());
    if (!host.addresses.empty()) {
      result.hosts.push_back(std::move(host));
    } else if (!candidate.failed) {
      result.detail += (result.detail.empty() ? "" : "; ") + host.name + " has no address";
    }
  }
  return result.hosts.empty() ? without_addresses(failed) : result;
}

}  // namespace relay::dns
