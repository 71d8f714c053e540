#include "conf/reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "conf/reader_impl.h"

namespace relay::conf {
namespace {

// "a.b[3].c" is documented as "a.b[].c".
std::string general(std::string_view path) {
  std::string result;
  bool index = false;
  for (const char c : path) {
    if (c == ']') index = false;
    if (!index) result += c;
    if (c == '[') index = true;
  }
  return result;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string advice(std::string_view unknown, const std::set<std::string, std::less<>>& expected) {
  const std::string* best = nullptr;
  std::size_t distance = 3;  // further than two slips it is another word
  for (const auto& key : expected) {
    const std::size_t d = edit_distance(unknown, key);
    if (d < distance && d < key.size()) {
      distance = d;
      best = &key;
    }
  }
  if (best != nullptr) return fmt::format("is not a setting; did you mean \"{}\"?", *best);
  std::string all;
  for (const auto& key : expected) all += (all.empty() ? "" : ", ") + key;
  return fmt::format("is not a setting; there are {}", all);
}

const char* kind_of(const YAML::Node& node) {
  if (node.IsMap()) return "a mapping";
  if (node.IsSequence()) return "a list";
  if (node.IsNull()) return "nothing";
  return "a single value";
}

}  // namespace

int line_of(const YAML::Node& node) { return node.Mark().line + 1; }

void Document::Impl::fault(int line, std::string key, std::string reason) {
  faults.push_back({line, std::move(key), std::move(reason)});
}

void Document::Impl::note(const std::string& section, std::string_view key, std::string_view kind,
                          std::string default_value, bool given, std::string range) {
  const std::string path = general(section.empty() ? std::string(key) : fmt::format("{}.{}", section, key));
  const auto [at, inserted] = known_at.emplace(path, known.size());
  if (inserted) known.push_back({path, std::string(kind), std::move(default_value), false, std::move(range)});
  known[at->second].given |= given;
}

Document::Document(const std::string& text, std::string directory) : impl_(std::make_unique<Impl>()) {
  impl_->directory = std::move(directory);
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() > 1)
      impl_->fault(line_of(documents[1]), "", "a second YAML document begins here; there must be one only");
    if (!documents.empty()) impl_->root = documents[0];
  } catch (const YAML::Exception& e) {
    // A mark before the first line means that the library knows no place.
    impl_->fault(std::max(e.mark.line + 1, 0), "", fmt::format("is not YAML: {}", e.msg));
  }
}
Document::~Document() = default;

Section Document::root() {
  auto section = std::make_unique<Section::Impl>();
  section->document = impl_.get();
  section->fill(impl_->root, 1);
  return Section(std::move(section));
}

void Document::fault(std::string_view key, std::string reason) {
  std::string_view place = key;
  auto found = impl_->lines.find(place);
  while (found == impl_->lines.end() && !place.empty()) {
    const std::size_t end = place.find_last_of(".[");
    place = place.substr(0, end == std::string_view::npos ? 0 : end);
    found = impl_->lines.find(place);
  }
  impl_->fault(found == impl_->lines.end() ? 0 : found->second, std::string(key), std::move(reason));
}

const std::vector<Fault>& Document::faults() const {
  std::ranges::stable_sort(impl_->faults, {}, &Fault::line);
  return impl_->faults;
}
const std::vector<KnownKey>& Document::known() const { return impl_->known; }

Section::Section(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Section::Section(Section&&) noexcept = default;

Section::~Section() {
  if (!impl_) return;
  for (const auto& [key, node] : impl_->values)
    if (!impl_->expected.contains(key))
      impl_->document->fault(impl_->key_lines.at(key), impl_->path(key), advice(key, impl_->expected));
}

std::string Section::Impl::path(std::string_view key) const {
  return name.empty() ? std::string(key) : fmt::format("{}.{}", name, key);
}

const std::string& Section::name() const { return impl_->name; }
bool Section::has(std::string_view key) const { return impl_->values.contains(std::string(key)); }
void Section::fault(std::string_view key, std::string reason) { impl_->fault(key, std::move(reason)); }

void Section::Impl::fault(std::string_view key, std::string reason) {
  const auto found = document->lines.find(path(key));
  const auto own = document->lines.find(name);
  const int line = found != document->lines.end() ? found->second
                   : own != document->lines.end() ? own->second
                                                  : 0;
  document->fault(line, path(key), std::move(reason));
}

// Takes the mapping apart. yaml-cpp keeps repeated keys, in order; it alone would let the first one win.
void Section::Impl::fill(const YAML::Node& node, int line) {
  document->lines.emplace(name, line);
  if (node.IsNull() || !node.IsDefined()) return;
  if (!node.IsMap()) {
    document->fault(line, name, fmt::format("must be a mapping of settings, not {}", kind_of(node)));
    return;
  }
  for (const auto& item : node) {
    if (!item.first.IsScalar()) {
      document->fault(line_of(item.first), name, "has a key that is not a word");
      continue;
    }
    const std::string& key = item.first.Scalar();
    const auto [at, inserted] = key_lines.emplace(key, line_of(item.first));
    if (!inserted) {
      document->fault(line_of(item.first), path(key), fmt::format("was already set on line {}", at->second));
      continue;
    }
    values.emplace(key, item.second);
    document->lines.emplace(path(key), at->second);
  }
}

const YAML::Node* Section::Impl::ask(std::string_view key, std::string_view kind, std::string default_value,
                                     std::string range) {
  expected.emplace(key);
  const auto found = values.find(std::string(key));
  document->note(name, key, kind, std::move(default_value), found != values.end(), std::move(range));
  return found == values.end() ? nullptr : &found->second;
}

Section Section::section(std::string_view key) {
  impl_->expected.emplace(key);
  auto below = std::make_unique<Impl>();
  below->document = impl_->document;
  below->name = impl_->path(key);
  const auto found = impl_->values.find(std::string(key));
  if (found != impl_->values.end()) below->fill(found->second, impl_->key_lines.at(found->first));
  return Section(std::move(below));
}

void Section::each(std::string_view key, const std::function<void(Section&)>& each) {
  const YAML::Node* list = impl_->ask(key, "list", "");
  const auto visit = [&](const std::string& name, const YAML::Node& node, int line) {
    auto below = std::make_unique<Impl>();
    below->document = impl_->document;
    below->name = name;
    below->fill(node, line);
    Section section(std::move(below));
    each(section);
  };
  if (list == nullptr || list->IsNull()) return;
  if (!list->IsSequence()) {
    impl_->fault(key, fmt::format("must be a list, not {}", kind_of(*list)));
    return;
  }
  for (std::size_t i = 0; i < list->size(); ++i)
    visit(fmt::format("{}[{}]", impl_->path(key), i), (*list)[i], line_of((*list)[i]));
}

}  // namespace relay::conf
