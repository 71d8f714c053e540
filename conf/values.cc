// Section's scalars: each has one way of being written, and a sentence for every other.
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <filesystem>

#include "conf/reader_impl.h"
#include "mta/base/units.h"

namespace relay::conf {
namespace {

// yaml-cpp gives quoted scalars the tag "!", plain ones "?".
bool quoted(const YAML::Node& node) { return node.Tag() == "!"; }

template <class T>
std::optional<T> parse_all(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string shown(std::string_view text) {
  constexpr std::size_t limit = 60;
  return text.size() <= limit ? fmt::format("\"{}\"", text) : fmt::format("\"{}...\"", text.substr(0, limit));
}

std::string joined(const std::vector<std::string>& values) {
  std::string all = "[";
  for (const auto& v : values) all += (all.size() == 1 ? "" : ", ") + v;
  return all + "]";
}

std::string range_words(std::string_view low, std::string_view high) {
  return fmt::format("{} to {}", low, high);
}

}  // namespace

std::optional<std::string> Section::Impl::scalar(std::string_view key, const YAML::Node& node,
                                                 std::string_view kind) {
  if (node.IsScalar()) return node.Scalar();
  const char* is = node.IsNull() ? "nothing" : node.IsMap() ? "a mapping" : "a list";
  fault(key, fmt::format("must be a {}, not {}", kind, is));
  return std::nullopt;
}

void Section::text(std::string_view key, std::string& value, Check check) {
  const YAML::Node* node = impl_->ask(key, "text", value);
  if (node == nullptr) return;
  auto text = impl_->scalar(key, *node, "text");
  if (!text) return;
  std::optional<std::string> wrong;
  if (check != nullptr) wrong = check(*text);
  if (text->empty()) wrong = "must not be empty";
  if (wrong) return impl_->fault(key, fmt::format("{} {}", shown(*text), *wrong));
  value = std::move(*text);
}

void Section::path(std::string_view key, std::string& value) {
  const YAML::Node* node = impl_->ask(key, "path", value);
  if (node == nullptr) return;
  auto text = impl_->scalar(key, *node, "path");
  if (!text) return;
  if (text->empty()) return impl_->fault(key, "must not be empty");
  if (text->find('\0') != std::string::npos) return impl_->fault(key, "must not have a NUL in it");
  value = (std::filesystem::path(impl_->document->directory) / *text).lexically_normal().string();
}

void Section::list(std::string_view key, std::vector<std::string>& values, Check check) {
  const YAML::Node* node = impl_->ask(key, "list", joined(values));
  if (node == nullptr) return;
  if (!node->IsSequence()) return impl_->fault(key, "must be a list");
  std::vector<std::string> read;
  for (std::size_t i = 0; i < node->size(); ++i) {
    const YAML::Node item = (*node)[i];
    const std::string at = fmt::format("{}[{}]", impl_->path(key), i);
    if (!item.IsScalar()) {
      impl_->document->fault(line_of(item), at, "must be a text");
    } else if (const auto wrong = check(item.Scalar())) {
      impl_->document->fault(line_of(item), at, fmt::format("{} {}", shown(item.Scalar()), *wrong));
    } else {
      read.push_back(item.Scalar());
    }
  }
  values = std::move(read);
}

void Section::yes_no(std::string_view key, bool& value) {
  const YAML::Node* node = impl_->ask(key, "true or false", value ? "true" : "false");
  if (node == nullptr) return;
  const auto text = impl_->scalar(key, *node, "true or false");
  if (!text) return;
  if (quoted(*node) || (*text != "true" && *text != "false"))
    return impl_->fault(key, fmt::format("must be true or false, not {}", shown(*text)));
  value = *text == "true";
}

void Section::whole(std::string_view key, std::uint64_t& value, std::uint64_t low, std::uint64_t high,
                    bool is_size) {
  const char* kind = is_size ? "size" : "number";
  const auto written = [&](std::uint64_t v) { return is_size ? format_size(v) : fmt::format("{}", v); };
  const YAML::Node* node = impl_->ask(key, kind, value < low || value > high ? "" : written(value),
                                      range_words(written(low), written(high)));
  if (node == nullptr) return;
  const auto text = impl_->scalar(key, *node, kind);
  if (!text) return;
  std::optional<std::uint64_t> parsed;
  if (is_size) {
    const auto size = parse_size(*text);
    if (!size) return impl_->fault(key, fmt::format("{} {}", shown(*text), size.error().message));
    parsed = *size;
  } else {
    const bool digits = !text->empty() && text->find_first_not_of("0123456789") == std::string::npos;
    if (quoted(*node) || !digits)
      return impl_->fault(key, fmt::format("{} is not a whole number", shown(*text)));
    parsed = parse_all<std::uint64_t>(*text);
  }
  if (!parsed || *parsed < low || *parsed > high)
    return impl_->fault(key, fmt::format("{} is not between {} and {}", *text, written(low), written(high)));
  value = *parsed;
}

void Section::duration(std::string_view key, Duration& value, Duration low, Duration high) {
  const YAML::Node* node = impl_->ask(key, "duration", format_duration(value),
                                      range_words(format_duration(low), format_duration(high)));
  if (node == nullptr) return;
  const auto text = impl_->scalar(key, *node, "duration");
  if (!text) return;
  const auto parsed = parse_duration(*text);
  if (!parsed) return impl_->fault(key, fmt::format("{} {}", shown(*text), parsed.error().message));
  if (*parsed < low || *parsed > high)
    return impl_->fault(
        key, fmt::format("{} is not between {} and {}", *text, format_duration(low), format_duration(high)));
  value = *parsed;
}

void Section::decimal(std::string_view key, double& value, double low, double high) {
  const YAML::Node* node = impl_->ask(key, "number", fmt::format("{}", value),
                                      range_words(fmt::format("{}", low), fmt::format("{}", high)));
  if (node == nullptr) return;
  const auto text = impl_->scalar(key, *node, "number");
  if (!text) return;
  const auto parsed = parse_all<double>(*text);
  if (quoted(*node) || !parsed || !std::isfinite(*parsed))
    return impl_->fault(key, fmt::format("{} is not a number", shown(*text)));
  if (*parsed < low || *parsed > high)
    return impl_->fault(key, fmt::format("{} is not between {} and {}", *text, low, high));
  value = *parsed;
}

std::size_t Section::one_of(std::string_view key, std::size_t value,
                            std::span<const std::string_view> names) {
  const YAML::Node* node = impl_->ask(key, "choice", std::string(names[value]));
  if (node == nullptr) return value;
  const auto text = impl_->scalar(key, *node, "choice");
  if (!text) return value;
  std::string all;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (*text == names[i]) return i;
    all += (all.empty() ? "" : i + 1 == names.size() ? " or " : ", ") + std::string(names[i]);
  }
  impl_->fault(key, fmt::format("must be {}, not {}", all, shown(*text)));
  return value;
}

}  // namespace relay::conf
