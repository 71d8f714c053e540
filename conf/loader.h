// Loader: relay.yaml to Config, strictly. Nothing is ignored and nothing guessed: an unknown or repeated key,
// a wrong type, a value out of range, or settings that contradict each other are faults, and all are reported
// at once. Relative paths are relative to the configuration file's own directory, so that they mean the same
// wherever relayd is started. No exception leaves this module.
#pragma once
#include <expected>
#include <string>
#include <vector>

#include "conf/config.h"
#include "conf/reader.h"

namespace relay::conf {

struct Loaded {
  Config config;  // to be used only when there are no faults
  std::vector<Fault> faults;
  std::vector<KnownKey> known;  // every key the loader looked for
};

// Of the text alone: files that it names are not read.
Loaded load_text(const std::string& text, const std::string& directory);

// Each error is a whole sentence: "relay.yaml:12: submission.listen[0].port: 70000 is not between 1 and
// 65535".
std::expected<Config, std::vector<std::string>> load_file(const std::string& path);

}  // namespace relay::conf
