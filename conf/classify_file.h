// The table of refusals (queue::Classifier) from YAML: the one built into relayd (conf/classify.yaml) and an
// administrator's own file, whose rules come before it.
#pragma once
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "conf/reader.h"
#include "mta/queue/classify.h"

namespace relay::conf {

std::string_view builtin_classify();  // conf/classify.yaml as it was when relayd was built

struct ClassifyTable {
  std::vector<queue::ClassifyRule> rules;  // to be used only when there are no faults
  std::vector<Fault> faults;
  std::vector<KnownKey> known;
};
// Each rule is tried for itself, so that every one that is wrong is named.
ClassifyTable parse_classify(const std::string& text);

// `own` is a file, or empty. Errors are whole sentences: "classify.yaml:12: rules[3].text: …".
std::expected<std::shared_ptr<const queue::Classifier>, std::vector<std::string>> load_classifier(
    const std::string& own);

}  // namespace relay::conf
