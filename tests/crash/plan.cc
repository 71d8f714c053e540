#include "tests/crash/plan.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <limits>
#include <numeric>
#include <optional>

namespace relay::crash {
namespace {

std::string_view take_word(std::string_view& line) {
  const std::size_t begin = line.find_first_not_of(' ');
  if (begin == std::string_view::npos) return {};
  line.remove_prefix(begin);
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(word.size());
  return word;
}

template <class Number>
bool read(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

bool read_call(std::string_view word, Rule& rule) {
  constexpr std::array<std::string_view, call_kinds> names = {"write", "meta", "sync", "allocate"};
  rule.any = word == "any";
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (word != names[i]) continue;
    rule.call = static_cast<Call>(i);
    return true;
  }
  return rule.any;
}

bool read_action(std::string_view word, Decision& decision) {
  constexpr std::string_view delay = "delay=";
  const auto is = [&](Act act, int code = 0) {
    decision.act = act;
    decision.code = code;
    return true;
  };
  if (word == "kill") return is(Act::kill);
  if (word == "kill-torn") return is(Act::kill_torn);
  if (word == "kill-after") return is(Act::kill_after);
  if (word == "EIO") return is(Act::fail, EIO);
  if (word == "ENOSPC") return is(Act::fail, ENOSPC);
  if (word == "EDQUOT") return is(Act::fail, EDQUOT);
  if (word == "EROFS") return is(Act::fail, EROFS);
  if (word == "short") return is(Act::shorten, ENOSPC);
  if (word == "EIO-after") return is(Act::fail_after, EIO);
  return word.starts_with(delay) && is(Act::delay) && read(word.substr(delay.size()), decision.delay_ms);
}

std::optional<Rule> read_rule(std::string_view line) {
  Rule rule;
  if (!read_call(take_word(line), rule) || !read(take_word(line), rule.from) || rule.from == 0) return {};
  if (!read_action(take_word(line), rule.decision)) return {};
  const std::string_view times = take_word(line);
  std::uint64_t count = 1;
  if (times == "always")
    rule.until = std::numeric_limits<std::uint64_t>::max();
  else if (times.empty() || (read(times, count) && count > 0))
    rule.until = rule.from + count - 1;
  else
    return {};
  if (!take_word(line).empty()) return {};
  return rule;
}

}  // namespace

bool Plan::parse(std::string_view text) {
  *this = {};
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.empty()) continue;
    const auto rule = read_rule(line);
    if (!rule) return false;
    rules_.push_back(*rule);
  }
  return true;
}

Decision Plan::next(Call call) {
  const std::uint64_t of_kind = ++seen_[static_cast<std::size_t>(call)];
  const std::uint64_t of_all = std::accumulate(seen_.begin(), seen_.end(), std::uint64_t{0});
  for (const Rule& rule : rules_) {
    const std::uint64_t number = rule.any ? of_all : of_kind;
    if ((rule.any || rule.call == call) && number >= rule.from && number <= rule.until) return rule.decision;
  }
  return {};
}

}  // namespace relay::crash
