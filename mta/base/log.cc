#include "mta/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace relay::log {
namespace {

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warn: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
  }
  return spdlog::level::err;
}

// spdlog keeps the process's logger; it is set once, before threads, so that it needs no lock of ours.
spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> quiet = [] {
    auto made = std::make_shared<spdlog::logger>("quiet", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_level(spdlog::level::warn);
    return made;
  }();
  spdlog::logger* opened = spdlog::default_logger_raw();
  return opened && opened->name() == "relay" ? *opened : *quiet;
}

bool alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// How many characters from `at` on are the beginning of a key up to its secret: "rk_", 12, and a line. 0 if
// they are not.
std::size_t public_part(std::string_view text, std::size_t at) {
  constexpr std::size_t prefix = 3, id = 12;
  const std::string_view part = text.substr(at, prefix + id + 1);
  if (part.size() < prefix + id + 1 || part[2] != '_' || part.back() != '_') return 0;
  if ((part[0] | 0x20) != 'r' || (part[1] | 0x20) != 'k') return 0;
  return std::ranges::all_of(part.substr(prefix, id), alphanumeric) ? part.size() : 0;
}

}  // namespace

void open_log(const Settings& settings) {
  auto opened = std::make_shared<spdlog::logger>("relay", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  opened->set_level(to_spdlog(settings.level));
  opened->set_pattern(settings.timestamps ? "%Y-%m-%dT%H:%M:%S.%eZ %l %v" : "%l %v",
                      spdlog::pattern_time_type::utc);
  opened->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(opened));
}

bool enabled(Level level) { return logger().should_log(to_spdlog(level)); }

void write(Level level, std::string_view line) {
  logger().log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

std::string printable(std::string_view text, std::size_t limit) {
  std::string out = "\"";
  for (std::size_t at = 0; at < std::min(text.size(), limit); ++at) {
    if (const std::size_t shown = public_part(text, at); shown > 0) {
      out.append(text, at, shown).append("[hidden]");
      at += shown;
      while (at < text.size() && alphanumeric(text[at])) ++at;
      --at;
      continue;
    }
    const auto c = static_cast<unsigned char>(text[at]);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", c);
    } else {
      out += static_cast<char>(c);
    }
  }
  out += '"';
  if (text.size() > limit) out += "...";
  return out;
}

}  // namespace relay::log
