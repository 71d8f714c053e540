#include "mta/intake/known_clients.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>

#include "mta/base/log.h"
#include "mta/base/secret.h"

namespace relay::intake {
namespace {

using std::chrono::seconds;

constexpr std::size_t digits = 32;
constexpr auto pause = std::chrono::minutes(1);  // between two tries to write

std::string digest_of(std::string_view account, std::string_view client) {
  const Digest digest = sha256(fmt::format("{}\n{}", account, client));  // a client has no line feed
  std::string text;
  for (std::size_t i = 0; i < digits / 2; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::string line_of(std::string_view pair, WallTime at) {
  return fmt::format("{} {}\n", pair, std::chrono::floor<seconds>(at).time_since_epoch().count());
}

std::optional<WallTime> time_of(std::string_view line) {
  const auto hexadecimal = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (line.size() <= digits || line[digits] != ' ') return std::nullopt;
  if (!std::ranges::all_of(line.substr(0, digits), hexadecimal)) return std::nullopt;
  constexpr std::int64_t most = 1'000'000'000'000;  // so that the milliseconds are a number too
  std::int64_t number = 0;
  const char* const end = line.data() + line.size();
  const auto [stopped, wrong] = std::from_chars(line.data() + digits + 1, end, number);
  if (wrong != std::errc() || stopped != end || number < 0 || number > most) return std::nullopt;
  return WallTime(seconds(number));
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

KnownClients::KnownClients(std::string file, std::uint32_t most, Duration lasting, WallTime now)
    : file_(std::move(file)), most_(std::max(most, 1u)), lasting_(lasting) {
  if (file_.empty()) return;
  read(now);
  if (!write_anew()) try_again_ = now + pause;
}

KnownClients::~KnownClients() {
  if (fd_ >= 0) ::close(fd_);
}

void KnownClients::read(WallTime now) {
  std::ifstream in(file_);
  for (std::string line; std::getline(in, line);) {
    const auto at = time_of(line);
    if (!at) continue;
    const WallTime last = std::min(*at, now);  // else written by a clock that was ahead
    if (now - last >= lasting_) continue;
    put(std::string_view(line).substr(0, digits), last).written = last;
  }
}

KnownClients::Success& KnownClients::put(std::string_view pair, WallTime now) {
  if (pairs_.find(pair) == nullptr && pairs_.size() >= most_) pairs_.pop_oldest();
  Success& success = pairs_.put(pair);
  success.last = now;
  return success;
}

void KnownClients::succeeded(std::string_view account, std::string_view client, WallTime now) {
  if (lasting_ <= Duration::zero()) return;
  const std::string pair = digest_of(account, client);
  Success& success = put(pair, now);
  if (file_.empty() || now - success.written < lasting_ / 8) return;
  write(pair, now);
}

bool KnownClients::knows(std::string_view account, std::string_view client, WallTime now) {
  const Success* success = pairs_.find(digest_of(account, client));
  return success != nullptr && now - success->last < lasting_;
}

void KnownClients::write(const std::string& pair, WallTime now) {
  if (fd_ < 0 && now < try_again_) return;
  if (fd_ >= 0 && lines_ < 2 * std::uint64_t{most_}) {
    if (write_all(fd_, line_of(pair, now))) {
      ++lines_;
      pairs_.find(pair)->written = now;
      return;
    }
    failed("write");
    ::close(std::exchange(fd_, -1));
  } else if (write_anew()) {
    return;
  }
  try_again_ = now + pause;
}

// All of it, in a file of its own that then takes the old one's place.
bool KnownClients::write_anew() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  const std::string fresh = file_ + ".new";
  ::unlink(fresh.c_str());  // left by a process that was killed
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return failed("make"), false;
  std::string text;
  for (const auto& entry : pairs_) text += line_of(entry.key, entry.value.last);
  if (!write_all(fd, text) || ::rename(fresh.c_str(), file_.c_str()) != 0) {
    failed("write");
    ::close(fd);
    ::unlink(fresh.c_str());
    return false;
  }
  for (auto& entry : pairs_) entry.value.written = entry.value.last;
  fd_ = fd;
  lines_ = pairs_.size();
  told_ = false;
  return true;
}

void KnownClients::failed(const char* what) {
  const int why = errno;
  if (std::exchange(told_, true)) return;
  log::warn(
      "auth: cannot {} {}: {}; which clients are known is lost with a restart until it can be written again",
      what, file_, std::generic_category().message(why));
}

}  // namespace relay::intake
