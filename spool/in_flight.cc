#include "spool/in_flight.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <functional>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

#include "mta/base/log.h"
#include "spool/codec.h"
#include "spool/crc32c.h"
#include "spool/file.h"

namespace relay::spool {
namespace {

constexpr std::size_t place_bytes = 32;  // and as many for the head, so that no place crosses a page
constexpr std::string_view magic = "relay-in-flight\n";
constexpr std::uint32_t version = 1;
constexpr std::uint32_t taken = 1;
constexpr std::uint32_t most_places = 1u << 24;  // no setting allows more; bounds what a damaged head claims
constexpr std::size_t run_places = 128;          // written at once, at most

std::string reason(int error) { return std::generic_category().message(error); }

std::string checksummed(std::string_view bytes, std::uint32_t salt) {
  std::string out;
  Sink sink(out);
  std::string covered;
  Sink(covered).u32(salt);
  covered += bytes;
  sink.u32(crc32c(0, covered));
  out += bytes;
  return out;
}

std::string encode_head(std::uint32_t places) {
  std::string rest;
  Sink sink(rest);
  sink.u32(version);
  sink.u32(places);
  sink.u32(0);
  return std::string(magic) + checksummed(rest, 0);
}

// What a head says, if it is one of ours.
std::optional<std::uint32_t> decode_head(std::string_view head) {
  if (head.size() != place_bytes || !head.starts_with(magic)) return std::nullopt;
  Source source(head.substr(magic.size()));
  source.u32();
  if (source.u32() != version) return std::nullopt;
  const std::uint32_t places = source.u32();
  if (places == 0 || places > most_places || encode_head(places) != head) return std::nullopt;
  return places;
}

// The place's number is in its checksum, so that a place that lies elsewhere is none.
std::string encode_place(Ticket ticket, const InFlight::Attempt& attempt) {
  std::string rest;
  Sink sink(rest);
  sink.u32(taken);
  sink.u32(attempt.ref.index);
  sink.u32(attempt.before);
  for (const std::uint8_t byte : attempt.ref.message.bytes) sink.u8(byte);
  return checksummed(rest, ticket);
}

std::optional<InFlight::Attempt> decode_place(Ticket ticket, std::string_view place) {
  InFlight::Attempt attempt;
  Source source(place);
  source.u32();
  source.u32();
  attempt.ref.index = source.u32();
  attempt.before = source.u32();
  for (std::uint8_t& byte : attempt.ref.message.bytes) byte = source.u8();
  if (encode_place(ticket, attempt) != place) return std::nullopt;
  return attempt;
}

off_t offset_of(Ticket ticket) { return static_cast<off_t>(ticket) * static_cast<off_t>(place_bytes); }

int write_all(int file, std::string_view bytes, off_t at) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(file, bytes.data(), bytes.size(), at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? errno : ENOSPC;
    bytes.remove_prefix(static_cast<std::size_t>(n));
    at += n;
  }
  return 0;
}

// The whole file, unless it is larger than any of ours.
Result<std::string> read_all(int file, const std::string& path) {
  struct stat s{};
  const auto unreadable = [&](std::string why) {
    return fail(Errc::corrupt, fmt::format("{} is not readable: {}", path, std::move(why)));
  };
  if (::fstat(file, &s) != 0) return unreadable(reason(errno));
  if (!S_ISREG(s.st_mode)) return unreadable("it is not a file");
  if (s.st_size > offset_of(most_places + 1)) return unreadable("it is too large");
  std::string bytes(static_cast<std::size_t>(s.st_size), '\0');
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t n = ::pread(file, bytes.data() + at, bytes.size() - at, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return unreadable(n < 0 ? reason(errno) : "it ends early");
    at += static_cast<std::size_t>(n);
  }
  return bytes;
}

}  // namespace

struct InFlight::Impl {
  std::string path;
  File file;
  std::uint32_t places = 0;
  std::vector<Attempt> left;
  std::vector<Ticket> left_tickets;
  std::atomic<std::uint64_t> uncovered{0};
  std::atomic<bool> failing{false};  // the last write failed; said once

  mutable std::mutex mutex;
  std::vector<Ticket> free;  // under the mutex; the next to be taken last
  bool crowded = false;      // under the mutex; there was no place, said once

  void open(const std::string& directory, const InFlightSettings& settings);
  bool read();
  bool make(std::uint32_t wanted);
  void list_free();
  std::vector<Ticket> take(std::size_t wanted);
  bool write(std::string_view bytes, Ticket first);
};

void InFlight::Impl::open(const std::string& directory, const InFlightSettings& settings) {
  path = directory + "/inflight";
  file = File(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  const bool there = file.get() >= 0;
  if (!there && errno != ENOENT) log::warn("spool: {} cannot be opened: {}", path, reason(errno));
  const bool good = there && read();
  // A new size means a new file; if that cannot be made, the old one goes on.
  if (!(good && places == settings.places) && !make(settings.places) && !good) file = File();
  if (file.get() < 0) {
    places = 0;
    left_tickets.clear();
    log::warn(
        "spool: there is no ledger of attempts under way; after a crash nobody can tell what is repeated");
  }
  list_free();
}

// False: this is no ledger. Damaged places are lost, which is said.
bool InFlight::Impl::read() {
  const auto bytes = read_all(file.get(), path);
  const auto head = bytes ? decode_head(std::string_view(*bytes).substr(0, place_bytes)) : std::nullopt;
  if (!head || bytes->size() != static_cast<std::size_t>(offset_of(*head + 1))) {
    log::warn("spool: {}; a new ledger of attempts under way is made, what the old one knew is lost",
              bytes ? path + " is damaged or not ours" : bytes.error().message);
    return false;
  }
  places = *head;
  std::size_t damaged = 0;
  for (Ticket ticket = 1; ticket <= places; ++ticket) {
    const auto place =
        std::string_view(*bytes).substr(static_cast<std::size_t>(offset_of(ticket)), place_bytes);
    if (place.find_first_not_of('\0') == std::string_view::npos) continue;
    const auto attempt = decode_place(ticket, place);
    left_tickets.push_back(ticket);
    if (attempt)
      left.push_back(*attempt);
    else
      ++damaged;
  }
  if (damaged > 0)
    log::warn("spool: {} places of {} are damaged; deliveries they named may be repeated uncounted", damaged,
              path);
  std::ranges::sort(left, {}, &Attempt::ref);
  return true;
}

// Whole or not at all: under another name first.
bool InFlight::Impl::make(std::uint32_t wanted) {
  const std::uint32_t count = std::max(wanted, static_cast<std::uint32_t>(left.size()) + 1);
  const std::string fresh = path + ".new";
  const auto failed = [&](int error) {
    log::warn("spool: {} could not be made: {}", fresh, reason(error));
    ::unlink(fresh.c_str());
    return false;
  };
  ::unlink(fresh.c_str());  // of a start that was cut off
  File made(::open(fresh.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (made.get() < 0) return failed(errno);
  if (const int error = ::posix_fallocate(made.get(), 0, offset_of(count + 1)); error != 0)
    return failed(error);
  std::string bytes = encode_head(count);
  std::vector<Ticket> tickets;
  for (const Attempt& attempt : left) {
    tickets.push_back(static_cast<Ticket>(tickets.size() + 1));
    bytes += encode_place(tickets.back(), attempt);
  }
  if (const int error = write_all(made.get(), bytes, 0); error != 0) return failed(error);
  if (::rename(fresh.c_str(), path.c_str()) != 0) return failed(errno);
  file = std::move(made);
  places = count;
  left_tickets = std::move(tickets);
  return true;
}

void InFlight::Impl::list_free() {
  auto used = left_tickets.rbegin();  // ascending, as `free` is filled from the end
  for (Ticket ticket = places; ticket > 0; --ticket)
    if (used != left_tickets.rend() && *used == ticket)
      ++used;
    else
      free.push_back(ticket);
}

std::vector<Ticket> InFlight::Impl::take(std::size_t wanted) {
  std::vector<Ticket> tickets(wanted, 0);
  const std::lock_guard lock(mutex);
  for (Ticket& ticket : tickets) {
    if (free.empty()) break;
    ticket = free.back();
    free.pop_back();
  }
  if (tickets.empty() || tickets.back() != 0 || places == 0) return tickets;
  if (!std::exchange(crowded, true))
    log::warn("spool: more attempts are under way than {} has places; some are not noted", path);
  return tickets;
}

bool InFlight::Impl::write(std::string_view bytes, Ticket first) {
  const int error = write_all(file.get(), bytes, offset_of(first));
  if (failing.exchange(error != 0) || error == 0) return error == 0;
  log::warn("spool: {} cannot be written: {}; attempts are not noted", path, reason(error));
  return false;
}

InFlight::InFlight(const std::string& directory, const InFlightSettings& settings)
    : impl_(std::make_unique<Impl>()) {
  impl_->open(directory, settings);
}
InFlight::~InFlight() = default;

const std::vector<InFlight::Attempt>& InFlight::left() const { return impl_->left; }

void InFlight::forget_left() {
  settle(std::exchange(impl_->left_tickets, {}));
  impl_->left.clear();
}

std::vector<Ticket> InFlight::begin(std::span<const Attempt> attempts) {
  std::vector<Ticket> tickets = impl_->take(attempts.size());
  for (std::size_t at = 0; at < tickets.size() && tickets[at] != 0;) {
    const std::size_t first = at;
    std::string bytes;
    do bytes += encode_place(tickets[at], attempts[at]);
    while (++at < tickets.size() && tickets[at] == tickets[at - 1] + 1);
    if (impl_->write(bytes, tickets[first])) continue;
    const std::lock_guard lock(impl_->mutex);
    for (std::size_t i = first; i < at; ++i) impl_->free.push_back(std::exchange(tickets[i], 0));
  }
  impl_->uncovered += static_cast<std::uint64_t>(std::ranges::count(tickets, Ticket{0}));
  return tickets;
}

// If a write fails the place is free all the same: what the store knows of the attempt counts more, at a
// start.
void InFlight::settle(std::span<const Ticket> tickets) {
  static constexpr std::array<char, run_places * place_bytes> zeros{};
  std::vector<Ticket> sorted(tickets.begin(), tickets.end());
  std::ranges::sort(sorted, std::greater());  // so that the lowest is taken next
  while (!sorted.empty() && sorted.back() == 0) sorted.pop_back();
  if (sorted.empty()) return;
  for (std::size_t at = 0; at < sorted.size();) {
    std::size_t count = 1;
    while (count < run_places && at + count < sorted.size() && sorted[at + count] + count == sorted[at])
      ++count;
    at += count;
    impl_->write({zeros.data(), count * place_bytes}, sorted[at - 1]);
  }
  const std::lock_guard lock(impl_->mutex);
  impl_->free.insert(impl_->free.end(), sorted.begin(), sorted.end());
  if (impl_->free.size() > impl_->places / 8) impl_->crowded = false;
}

InFlightStats InFlight::stats() const {
  const std::lock_guard lock(impl_->mutex);
  return {impl_->places - impl_->free.size(), impl_->uncovered.load()};
}

}  // namespace relay::spool
