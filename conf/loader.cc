#include "conf/loader.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "conf/classify_file.h"
#include "conf/settings.h"

namespace relay::conf {

Loaded load_text(const std::string& text, const std::string& directory) {
  Loaded loaded;
  Document document(text, directory);
  if (document.faults().empty()) {
    read_settings(document, loaded.config);
    check_together(document, loaded.config);
  }
  loaded.faults = document.faults();
  loaded.known = document.known();
  return loaded;
}

std::expected<Config, std::vector<std::string>> load_file(const std::string& path) {
  const auto unreadable = [&](const char* why) {
    return std::unexpected(std::vector{fmt::format("{}: cannot be read: {}", path, why)});
  };
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return unreadable("it is a directory");
  std::ifstream in(path, std::ios::binary);
  if (!in) return unreadable(std::strerror(errno));
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad()) return unreadable(std::strerror(errno));
  const std::filesystem::path absolute = std::filesystem::absolute(path, error).lexically_normal();

  Loaded loaded = load_text(text.str(), absolute.parent_path().string());
  if (loaded.faults.empty()) {
    auto classifier = load_classifier(loaded.config.classify_file);
    if (!classifier) return std::unexpected(std::move(classifier.error()));
    loaded.config.delivery.classifier = std::move(*classifier);
    return std::move(loaded.config);
  }
  std::vector<std::string> sentences;
  for (const auto& fault : loaded.faults) {
    const std::string where = fault.line > 0 ? fmt::format("{}:{}", path, fault.line) : path;
    const std::string key = fault.key.empty() ? "" : fault.key + ": ";
    sentences.push_back(fmt::format("{}: {}{}", where, key, fault.reason));
  }
  return std::unexpected(std::move(sentences));
}

}  // namespace relay::conf
