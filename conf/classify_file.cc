#include "conf/classify_file.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

namespace relay::conf {
namespace {

using queue::Cause;
using queue::ClassifyRule;
using queue::Scope;
using queue::Treat;
using wire::Stage;

constexpr std::size_t causes = static_cast<std::size_t>(Cause::other) + 1;
constexpr std::size_t scopes = static_cast<std::size_t>(Scope::site) + 1;
constexpr Duration longest_pause = std::chrono::hours(24);

// The names are those that the log and relayctl have.
template <class T, std::size_t N>
const auto& choices() {
  static const auto all = [] {
    struct {
      Choice<T> names[N];
    } made{};
    for (std::size_t i = 0; i < N; ++i) made.names[i] = {text(static_cast<T>(i)), static_cast<T>(i)};
    return made;
  }();
  return all.names;
}

// Those in which a host's reply can refuse a message.
struct StageName {
  std::string_view name;
  std::optional<Stage> stage;
};
constexpr std::array stages{StageName{"any", std::nullopt}, StageName{"greeting", Stage::greeting},
                            StageName{"ehlo", Stage::ehlo}, StageName{"starttls", Stage::starttls},
                            StageName{"mail", Stage::mail}, StageName{"rcpt", Stage::rcpt},
                            StageName{"data", Stage::data}, StageName{"final_dot", Stage::final_dot}};

void read_stage(Section& s, std::optional<Stage>& stage) {
  std::size_t at = 0;
  static constexpr Choice<std::size_t> names[] = {
      {stages[0].name, 0}, {stages[1].name, 1}, {stages[2].name, 2}, {stages[3].name, 3},
      {stages[4].name, 4}, {stages[5].name, 5}, {stages[6].name, 6}, {stages[7].name, 7}};
  s.choice("stage", at, names);
  stage = stages[at].stage;
}

ClassifyRule read_rule(Section& s) {
  ClassifyRule rule;
  s.text("code", rule.code);
  s.text("enhanced", rule.enhanced);
  s.text("text", rule.text);
  s.text("host", rule.host);
  read_stage(s, rule.stage);
  if (!s.has("cause")) s.fault("cause", "is missing");
  s.choice("cause", rule.cause, choices<Cause, causes>());
  if (!s.has("scope")) s.fault("scope", "is missing");
  s.choice("scope", rule.scope, choices<Scope, scopes>());
  static constexpr Choice<Treat> ways[] = {
      {"as_said", Treat::as_said}, {"defer", Treat::defer}, {"fail", Treat::fail}};
  s.choice("treat", rule.treat, ways);
  s.duration("pause", rule.pause, Duration::zero(), longest_pause);
  // Alone, so that each that is wrong is told of.
  if (auto alone = queue::Classifier::make({rule}); !alone) s.fault(alone.error().key, alone.error().reason);
  return rule;
}

std::expected<std::string, std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::unexpected(std::strerror(errno));
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad()) return std::unexpected(std::strerror(errno));
  return text.str();
}

}  // namespace

ClassifyTable parse_classify(const std::string& text) {
  ClassifyTable table;
  Document document(text, "");
  if (document.faults().empty())
    document.root().each("rules", [&](Section& s) { table.rules.push_back(read_rule(s)); });
  table.faults = document.faults();
  table.known = document.known();
  return table;
}

std::expected<std::shared_ptr<const queue::Classifier>, std::vector<std::string>> load_classifier(
    const std::string& own) {
  ClassifyTable table;
  std::vector<std::string> sentences;
  if (!own.empty()) {
    const auto text = read_file(own);
    if (!text) return std::unexpected(std::vector{fmt::format("{}: cannot be read: {}", own, text.error())});
    table = parse_classify(*text);
    for (const Fault& fault : table.faults)
      sentences.push_back(fmt::format("{}:{}: {}{}{}", own, fault.line, fault.key,
                                      fault.key.empty() ? "" : ": ", fault.reason));
  }
  ClassifyTable builtin = parse_classify(std::string(builtin_classify()));
  for (const Fault& fault : builtin.faults)  // a test sees to it that there is none
    sentences.push_back(fmt::format("the built-in classification: {}: {}", fault.key, fault.reason));
  if (!sentences.empty()) return std::unexpected(std::move(sentences));
  std::ranges::move(builtin.rules, std::back_inserter(table.rules));
  auto made = queue::Classifier::make(std::move(table.rules));
  if (!made) return std::unexpected(std::vector{fmt::format("{}: {}", own, made.error().reason)});
  return std::make_shared<const queue::Classifier>(std::move(*made));
}

}  // namespace relay::conf
