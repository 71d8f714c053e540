#include "mta/queue/classify.h"

#include <fmt/format.h>
#include <re2/re2.h>
#include <re2/set.h>

#include <algorithm>
#include <array>

namespace relay::queue {
namespace {

using namespace std::chrono_literals;

constexpr std::array scopes{std::string_view("recipient"), std::string_view("message"),
                            std::string_view("content"),   std::string_view("sender_domain"),
                            std::string_view("account"),   std::string_view("source"),
                            std::string_view("site")};
constexpr std::array causes{std::string_view("unknown_user"),
                            std::string_view("mailbox_disabled"),
                            std::string_view("mailbox_full"),
                            std::string_view("too_large"),
                            std::string_view("greylisting"),
                            std::string_view("throttling"),
                            std::string_view("too_many_connections"),
                            std::string_view("blocked"),
                            std::string_view("spam"),
                            std::string_view("virus"),
                            std::string_view("authentication"),
                            std::string_view("policy"),
                            std::string_view("tls_required"),
                            std::string_view("dns"),
                            std::string_view("relay_denied"),
                            std::string_view("bad_address"),
                            std::string_view("domain_disabled"),
                            std::string_view("host_trouble"),
                            std::string_view("protocol"),
                            std::string_view("other")};

constexpr Duration longest_asked = std::chrono::hours(24);
constexpr std::size_t looked_at = 2000;  // of a reply's text: no host needs more to say what it means

RE2::Options options() {
  RE2::Options o;
  o.set_case_sensitive(false);
  o.set_log_errors(false);
  o.set_dot_nl(true);
  o.set_never_capture(true);
  o.set_max_mem(64 << 20);  // for the set of all patterns; one alone is far below
  return o;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "45x" and "x.7.*" against codes: an x is one digit, a * what is left.
bool fits(std::string_view pattern, std::string_view code) {
  std::size_t at = 0;
  for (const char c : pattern) {
    if (c == '*') return at < code.size();
    if (at == code.size() || (c == 'x' ? !is_digit(code[at]) : c != code[at])) return false;
    ++at;
  }
  return at == code.size();
}

bool fits_host(std::string_view pattern, std::string_view host) {
  if (!pattern.starts_with("*.")) return pattern == host;
  return host.size() > pattern.size() - 1 && host.ends_with(pattern.substr(1));
}

std::optional<std::string> wrong_code(std::string_view code, std::size_t digits) {
  const bool good = code.size() == digits && (code[0] == '4' || code[0] == '5') &&
                    std::ranges::all_of(code.substr(1), [](char c) { return is_digit(c) || c == 'x'; });
  if (good) return std::nullopt;
  return fmt::format("the code {} is none of a refusal: 421, 45x, 5xx", code);
}

std::optional<std::string> wrong_enhanced(std::string_view code) {
  static const RE2 shape("[45x]\\.(?:[\\dx]{1,3}|\\*)(?:\\.(?:[\\dx]{1,3}|\\*))?");
  if (RE2::FullMatch(re2::StringPiece(code.data(), code.size()), shape)) return std::nullopt;
  return fmt::format("the enhanced code {} is none of a refusal: 4.7.28, 5.7.*, x.2.2", code);
}

std::string text_of(const wire::Reply& reply) {
  std::string all;
  for (const std::string& line : reply.lines) {
    if (!all.empty()) all += ' ';
    all += line;
    if (all.size() > looked_at) break;
  }
  if (all.size() > looked_at) all.resize(looked_at);
  return all;
}

}  // namespace

std::string_view text(Scope scope) { return scopes[static_cast<std::size_t>(scope)]; }
std::string_view text(Cause cause) { return causes[static_cast<std::size_t>(cause)]; }

struct Classifier::Impl {
  std::vector<ClassifyRule> rules;
  RE2::Set texts{options(), RE2::UNANCHORED};
  std::vector<std::size_t> rule_of;  // of each pattern in `texts`
};

Classifier::Classifier() = default;
Classifier::~Classifier() = default;
Classifier::Classifier(Classifier&&) noexcept = default;
Classifier& Classifier::operator=(Classifier&&) noexcept = default;

std::expected<Classifier, Classifier::Wrong> Classifier::make(std::vector<ClassifyRule> rules) {
  auto impl = std::make_unique<Impl>();
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const ClassifyRule& rule = rules[i];
    if (!rule.code.empty())
      if (auto wrong = wrong_code(rule.code, 3)) return std::unexpected(Wrong{i, "code", *wrong});
    if (!rule.enhanced.empty())
      if (auto wrong = wrong_enhanced(rule.enhanced)) return std::unexpected(Wrong{i, "enhanced", *wrong});
    if (rule.code.empty() && rule.enhanced.empty() && rule.text.empty())
      return std::unexpected(
          Wrong{i, "text", "it fits everything: it needs a code, an enhanced code or a text"});
    if (rule.text.empty()) continue;
    std::string reason;
    if (impl->texts.Add(rule.text, &reason) < 0)
      return std::unexpected(
          Wrong{i, "text", fmt::format("the text {} cannot be matched: {}", rule.text, reason)});
    impl->rule_of.push_back(i);
  }
  if (!impl->texts.Compile())
    return std::unexpected(Wrong{0, "text", "the texts of all rules together need too much memory"});
  impl->rules = std::move(rules);
  Classifier made;
  made.impl_ = std::move(impl);
  return made;
}

Class Classifier::classify(const wire::Reply& reply, wire::Stage stage, std::string_view host) const {
  Class found;
  const std::string said = text_of(reply);
  if (impl_) {
    std::vector<int> matched;
    if (!impl_->rule_of.empty()) impl_->texts.Match(said, &matched);
    std::vector<bool> text_fits(impl_->rules.size());
    for (const int pattern : matched) text_fits[impl_->rule_of[static_cast<std::size_t>(pattern)]] = true;
    const std::string code = std::to_string(reply.code);
    for (std::size_t i = 0; i < impl_->rules.size(); ++i) {
      const ClassifyRule& rule = impl_->rules[i];
      if (!rule.text.empty() && !text_fits[i]) continue;
      if (!rule.code.empty() && !fits(rule.code, code)) continue;
      if (!rule.enhanced.empty() && !fits(rule.enhanced, reply.enhanced)) continue;
      if (rule.stage && *rule.stage != stage) continue;
      if (!rule.host.empty() && !fits_host(rule.host, host)) continue;
      found = {rule.cause, rule.scope, rule.treat, rule.pause};
      break;
    }
  }
  if (const auto asked = asked_pause(said)) found.pause = *asked;
  return found;
}

std::optional<Duration> asked_pause(std::string_view text) {
  // A word that asks for a pause, few others, and the time. What stands between is no digit, so that a
  // host's address or a queue's name is not taken for it.
  static const RE2::Options any_case = [] {
    RE2::Options o;
    o.set_case_sensitive(false);
    return o;
  }();
  static const RE2 span(
      "(?:again|retry|retrying|wait|delay|delayed|greylist\\w*|graylist\\w*|come back|resubmit|deferred)"
      "[^0-9]{0,40}?\\b(\\d{1,6})\\s*(seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h)\\b",
      any_case);
  static const RE2 before(
      "\\b(\\d{1,6})\\s*(seconds?|secs?|minutes?|mins?|hours?|hrs?)\\b[^0-9]{0,20}?(?:later|left|remain\\w*|"
      "to go)",
      any_case);
  static const RE2 clock(
      "(?:again|retry|wait|delay|greylist\\w*)[^0-9]{0,40}?\\b(\\d{1,2}):(\\d\\d):(\\d\\d)\\b", any_case);
  const re2::StringPiece where(text.data(), std::min(text.size(), looked_at));
  std::uint32_t number = 0, minutes = 0, seconds = 0;
  std::string unit;
  Duration asked{};
  if (RE2::PartialMatch(where, clock, &number, &minutes, &seconds)) {
    asked = std::chrono::hours(number) + std::chrono::minutes(minutes) + std::chrono::seconds(seconds);
  } else if (RE2::PartialMatch(where, span, &number, &unit) ||
             RE2::PartialMatch(where, before, &number, &unit)) {
    const char first = static_cast<char>(unit[0] | 0x20);
    asked = first == 'h'   ? Duration(std::chrono::hours(number))
            : first == 'm' ? Duration(std::chrono::minutes(number))
                           : Duration(std::chrono::seconds(number));
  } else {
    return std::nullopt;
  }
  if (asked <= Duration::zero()) return std::nullopt;
  return std::min(asked, longest_asked);
}

}  // namespace relay::queue
