// The log: one line a fact, key=value after a fixed phrase, to standard error (journald adds its own time
// there).
//
// Thread-safe. `open_log` is called once by main before anything logs; without it lines of level warn and
// above go to standard error. The message is made with fmt at the call; levels below the threshold cost one
// comparison. Never log a Secret or a Body: they have no formatter. Text from a peer goes through
// `printable`.
#pragma once
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "mta/base/result.h"

namespace relay::log {

enum class Level { debug, info, warn, error };

struct Settings {
  Level level = Level::info;
  bool timestamps = true;  // off under journald, which has its own
};

void open_log(const Settings& settings);
bool enabled(Level level);
void write(Level level, std::string_view line);

template <class... Args>
void debug(fmt::format_string<Args...> f, Args&&... args) {
  if (enabled(Level::debug)) write(Level::debug, fmt::format(f, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> f, Args&&... args) {
  if (enabled(Level::info)) write(Level::info, fmt::format(f, std::forward<Args>(args)...));
}
template <class... Args>
void warn(fmt::format_string<Args...> f, Args&&... args) {
  if (enabled(Level::warn)) write(Level::warn, fmt::format(f, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> f, Args&&... args) {
  write(Level::error, fmt::format(f, std::forward<Args>(args)...));
}

// `text` in quotes, control characters and quotes escaped, cut at `limit` bytes with "..." after it. Of what
// has an API key's form, wherever it stands, only the public part is shown: "rk_0123456789ab_[hidden]".
std::string printable(std::string_view text, std::size_t limit = 200);

}  // namespace relay::log
