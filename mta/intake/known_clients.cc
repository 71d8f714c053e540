#include "mta/intake/known_clients.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "mta/base/log.h"
#include "mta/base/secret.h"

namespace relay::intake {
namespace {

constexpr auto close_to_now = std::chrono::minutes(1);  // as clocks are set by steps at a start

std::array<char, KnownFile::digits> digest_of(std::string_view account, std::string_view client) {
  const Digest digest = sha256(fmt::format("{}\n{}", account, client));  // a client has no line feed
  std::array<char, KnownFile::digits> text;
  for (std::size_t i = 0; i < text.size() / 2; ++i) fmt::format_to(&text[2 * i], "{:02x}", digest[i]);
  return text;
}

}  // namespace

KnownClients::KnownClients(std::string file, std::uint32_t most, Duration lasting, WallTime now,
                           Executor& files)
    : most_(std::max(most, 1u)), lasting_(lasting) {
  if (file.empty()) return;
  const std::string name = file;
  file_.emplace(std::move(file), most_, files);
  std::size_t to_come = 0;
  for (const KnownFile::Line& line : file_->take_known()) {
    put(line.name(), line.at).noted = line.at;
    to_come += line.at > now + close_to_now ? 1 : 0;
  }
  if (to_come > 0)
    log::warn(
        "auth: {} of the clients in {} have authenticated at times to come: the clock was ahead then, or is "
        "behind now; they count as known",
        to_come, name);
}

KnownClients::Success& KnownClients::put(std::string_view pair, WallTime at) {
  if (pairs_.find(pair) == nullptr && pairs_.size() >= most_) pairs_.pop_oldest();
  Success& success = pairs_.put(pair);
  success.last = at;
  return success;
}

void KnownClients::succeeded(std::string_view account, std::string_view client, WallTime now, Instant tick) {
  if (lasting_ <= Duration::zero()) return;
  const KnownFile::Line line{digest_of(account, client), now};
  Success& success = put(line.name(), now);
  // Away from it in either direction: what was noted by a clock that was ahead is put right.
  const Duration often = lasting_ / 8;
  if (!file_ || (success.noted && now - *success.noted < often && *success.noted - now < often)) return;
  success.noted = now;
  file_->put(line, tick);
}

bool KnownClients::knows(std::string_view account, std::string_view client, WallTime now) {
  const auto pair = digest_of(account, client);
  const Success* success = pairs_.find({pair.data(), pair.size()});
  return success != nullptr && (success->last > now || now - success->last < lasting_);
}

}  // namespace relay::intake
