#include "mta/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

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
  for (unsigned char c : text.substr(0, limit)) {
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
