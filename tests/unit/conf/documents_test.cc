// The sample configuration, the man page and the loader must agree on every key, kind and default.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "conf/loader.h"

using namespace relay::conf;

namespace {

std::string read(const std::string& name) {
  std::ifstream in(std::string(RELAY_SOURCE_DIR) + "/" + name);
  REQUIRE(in.good());
  std::ostringstream all;
  all << in.rdbuf();
  return std::move(all).str();
}

// The sample with every setting that it shows at its default switched on: "  #errors: 20" becomes "  errors:
// 20".
std::string uncommented(const std::string& text) {
  return std::regex_replace(text, std::regex("(^|\n)( *)#([a-z_]+:)"), "$1$2$3");
}

void require_no_faults(const Loaded& loaded) {
  for (const auto& f : loaded.faults) MESSAGE(f.line << ": " << f.key << ": " << f.reason);
  REQUIRE(loaded.faults.empty());
}

std::map<std::string, KnownKey> by_path(const std::vector<KnownKey>& keys) {
  std::map<std::string, KnownKey> result;
  for (const auto& key : keys) result.emplace(key.path, key);
  return result;
}

}  // namespace

TEST_CASE("the sample and the demo configuration are right") {
  require_no_faults(load_text(read("conf/relay.yaml"), "/etc/relay"));
  require_no_faults(load_text(uncommented(read("conf/relay.yaml")), "/etc/relay"));
  require_no_faults(load_text(read("conf/demo.yaml"), "/srv/conf"));
}

TEST_CASE("the sample shows every key, and each default as it is") {
  const std::string sample = read("conf/relay.yaml");
  std::istringstream lines(sample);
  std::multiset<std::string> shown;  // "errors: 20"
  std::smatch match;
  for (std::string line; std::getline(lines, line);) {
    if (std::regex_match(line, match, std::regex(" *#([a-z_]+: .*)"))) shown.insert(match[1]);
  }
  std::multiset<std::string> defaults;
  for (const auto& key : load_text(uncommented(sample), "/").known) {
    const std::string name = key.path.substr(key.path.find_last_of('.') + 1);
    CAPTURE(key.path);
    CHECK(key.given);
    if (!key.default_value.empty()) defaults.insert(name + ": " + key.default_value);
  }
  for (const auto& line : shown) {
    CAPTURE(line);
    CHECK(shown.count(line) <= defaults.count(line));
  }
}

TEST_CASE("the manual page has every key with its kind and default, and no other") {
  const auto known = by_path(load_text(uncommented(read("conf/relay.yaml")), "/").known);
  std::istringstream page(read("man/relay.yaml.5"));
  std::set<std::string> described;
  std::smatch match;
  for (std::string line; std::getline(page, line);) {
    if (!std::regex_match(line, match, std::regex(R"(\.It Ic (\S+) Ar (.*?)(?: Pq (.*))?)"))) continue;
    const std::string path = match[1];
    CAPTURE(path);
    CHECK(described.insert(path).second);
    REQUIRE(known.contains(path));
    CHECK(known.at(path).kind == match[2]);
    CHECK(known.at(path).default_value == match[3]);
  }
  for (const auto& [path, key] : known) {
    CAPTURE(path);
    CHECK(described.contains(path));
  }
}

TEST_CASE("the manual page says the range of every number, size and duration") {
  const auto known = by_path(load_text(uncommented(read("conf/relay.yaml")), "/").known);
  std::istringstream page(read("man/relay.yaml.5"));
  std::map<std::string, std::string> texts;
  std::string path;
  std::smatch match;
  for (std::string line; std::getline(page, line);) {
    if (std::regex_match(line, match, std::regex(R"(\.It Ic (\S+) Ar .*)"))) path = match[1];
    texts[path] += line + "\n";
  }
  for (const auto& [name, key] : known) {
    const bool ranged = key.kind == "number" || key.kind == "size" || key.kind == "duration";
    CAPTURE(name);
    CAPTURE(key.range);
    CHECK(ranged != key.range.empty());
    if (ranged) CHECK(texts[name].find("rom " + key.range + ".\n") != std::string::npos);
  }
}
