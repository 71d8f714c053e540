// The insides of Document and Section, shared by reader.cc (structure: mappings, lists, unknown and repeated
// keys) and values.cc (scalars). Included by these two only.
#pragma once
#include <yaml-cpp/yaml.h>

#include <map>
#include <set>

#include "conf/reader.h"

namespace relay::conf {

struct Document::Impl {
  std::string directory;
  YAML::Node root;
  std::vector<Fault> faults;
  std::vector<KnownKey> known;
  std::map<std::string, std::size_t, std::less<>> known_at;  // index in `known`, by path
  std::map<std::string, int, std::less<>> lines;             // by path

  void fault(int line, std::string key, std::string reason);
  void note(const std::string& section, std::string_view key, std::string_view kind,
            std::string default_value, bool given, std::string range);
};

struct Section::Impl {
  Document::Impl* document = nullptr;
  std::string name;                             // empty: the document itself
  std::map<std::string, YAML::Node> values;     // by key
  std::map<std::string, int> key_lines;         // where each key stands
  std::set<std::string, std::less<>> expected;  // every key that was asked for

  std::string path(std::string_view key) const;
  const YAML::Node* ask(std::string_view key, std::string_view kind, std::string default_value,
                        std::string range = {});
  // The text of a scalar; faults and answers nothing if it is something else. Quoted text is text alone.
  std::optional<std::string> scalar(std::string_view key, const YAML::Node& node, std::string_view kind);
  void fault(std::string_view key, std::string reason);
  void fill(const YAML::Node& node, int line);
};

int line_of(const YAML::Node& node);

}  // namespace relay::conf
