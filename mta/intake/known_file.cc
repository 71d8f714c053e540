#include "mta/intake/known_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <iterator>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "mta/base/log.h"

namespace relay::intake {
namespace {

using std::chrono::seconds;

constexpr auto pause = std::chrono::minutes(1);  // between two tries to write

template <class Lines>
std::string text_of(const Lines& lines) {
  std::string text;
  for (const KnownFile::Line& line : lines)
    fmt::format_to(std::back_inserter(text), "{} {}\n", line.name(),
                   std::chrono::floor<seconds>(line.at).time_since_epoch().count());
  return text;
}

std::optional<KnownFile::Line> parse(std::string_view text) {
  constexpr std::size_t digits = KnownFile::digits;
  const auto hexadecimal = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (text.size() <= digits || text[digits] != ' ') return std::nullopt;
  if (!std::ranges::all_of(text.substr(0, digits), hexadecimal)) return std::nullopt;
  constexpr std::int64_t most = 9'000'000'000;  // until 2255, so that nanoseconds are a number too
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, wrong] = std::from_chars(text.data() + digits + 1, end, number);
  if (wrong != std::errc() || stopped != end || number < 0 || number > most) return std::nullopt;
  KnownFile::Line line{{}, WallTime(seconds(number))};
  std::ranges::copy(text.substr(0, digits), line.pair.begin());
  return line;
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

KnownFile::KnownFile(std::string path, std::uint32_t most, Executor& home)
    : path_(std::move(path)), most_(std::max(most, 1u)), home_(home) {
  Contents found = read();
  lines_ = found.lines;
  torn_ = found.torn;
  known_ = std::move(found.known);
  if (!found.whole) failed("read");
  const bool too_many = found.whole && lines_ > 2 * std::uint64_t{most_};
  if (!too_many || !write_anew(known_)) open();
}

KnownFile::~KnownFile() {
  if (fd_ >= 0) ::close(fd_);
}

KnownFile::Contents KnownFile::read() const {
  Contents found;
  errno = 0;
  std::ifstream in(path_);
  found.whole = in.is_open() || errno == ENOENT;
  for (std::string line; std::getline(in, line);) {
    ++found.lines;
    found.torn = in.eof();
    if (const auto parsed = parse(line)) found.known.push_back(*parsed);
  }
  found.whole = found.whole && !in.bad();
  latest(found.known);
  return found;
}

// Of each pair the last line, and of those the last.
void KnownFile::latest(std::vector<Line>& lines) const {
  std::vector<Line> kept;
  {
    std::unordered_set<std::string_view> seen;
    for (auto line = lines.rbegin(); line != lines.rend() && kept.size() < most_; ++line)
      if (seen.insert(line->name()).second) kept.push_back(*line);
  }
  std::ranges::reverse(kept);
  lines = std::move(kept);
}

void KnownFile::put(const Line& line, Instant now) {
  const std::lock_guard lock(mutex_);
  if (noted_.size() >= most_) noted_.pop_front();
  noted_.push_back(line);
  if (posted_ || (try_again_ && now < *try_again_)) return;
  posted_ = true;
  try_again_ = now + pause;  // unless it can be written
  home_.post([this] { write_noted(); });
}

void KnownFile::write_noted() {
  std::unique_lock lock(mutex_);
  while (!noted_.empty()) {
    Lines lines = std::exchange(noted_, {});
    lock.unlock();
    const bool written = write(lines);
    lock.lock();
    if (written) continue;
    lines.insert(lines.end(), noted_.begin(), noted_.end());
    while (lines.size() > most_) lines.pop_front();
    noted_ = std::move(lines);
    posted_ = false;
    return;
  }
  posted_ = false;
  try_again_.reset();
}

bool KnownFile::write(const Lines& lines) {
  if (lines_ + lines.size() <= 2 * std::uint64_t{most_}) return append(lines);
  Contents found = read();
  if (!found.whole) return failed("read");  // or what was not read would be lost
  found.known.insert(found.known.end(), lines.begin(), lines.end());
  latest(found.known);
  return write_anew(found.known);
}

bool KnownFile::open() {
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
  return fd_ >= 0 || failed("open");
}

bool KnownFile::append(const Lines& lines) {
  if (fd_ < 0 && !open()) return false;
  const bool written = write_all(fd_, (torn_ ? "\n" : "") + text_of(lines));
  lines_ += lines.size() + (torn_ ? 1 : 0);
  torn_ = !written;
  told_ = told_ && !written;
  if (written) return true;
  failed("write");
  ::close(std::exchange(fd_, -1));
  return false;
}

// In a file of its own that then takes the old one's place, as a whole whenever the power fails.
bool KnownFile::write_anew(const std::vector<Line>& lines) {
  const std::string fresh = path_ + ".new";
  ::unlink(fresh.c_str());  // left by a process that was killed
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return failed("make");
  if (!write_all(fd, text_of(lines)) || ::fdatasync(fd) != 0 || ::rename(fresh.c_str(), path_.c_str()) != 0) {
    failed("write");
    ::close(fd);
    ::unlink(fresh.c_str());
    return false;
  }
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
  lines_ = lines.size();
  torn_ = told_ = false;
  return true;
}

bool KnownFile::failed(const char* what) {
  const int why = errno;
  if (!std::exchange(told_, true))
    log::warn(
        "auth: cannot {} {}: {}; which clients are known is lost with a restart until it can be written "
        "again",
        what, path_, std::generic_category().message(why));
  return false;
}

}  // namespace relay::intake
