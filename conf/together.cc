// What settings must satisfy together, each alone being right.
#include <fmt/format.h>
#include <sys/un.h>

#include <algorithm>
#include <set>

#include "conf/settings.h"
#include "mta/base/units.h"

namespace relay::conf {
namespace {

void check_tls(Document& d, const Config& c) {
  const auto& files = c.tls.certificates.standard;
  const bool certificate = !files.certificate.empty(), key = !files.key.empty();
  if (certificate != key) return d.fault("tls", "must have both certificate and key, or neither");
  if (certificate) return;
  if (!c.tls.certificates.by_name.empty())
    d.fault("tls.sni", "needs tls.certificate and tls.key, for clients that ask for no name of these");
  if (!c.submission.listeners.empty())
    d.fault("tls", "must have certificate and key: submission takes passwords under TLS only");
  for (std::size_t i = 0; i < c.http.listeners.size(); ++i)
    if (c.http.listeners[i].tls)
      d.fault(fmt::format("http.listen[{}].tls", i), "needs tls.certificate and tls.key");
}

void check_listeners(Document& d, const Config& c) {
  if (!c.inbound.listeners.empty() && c.inbound.settings.domains.empty())
    d.fault("inbound.domains", "must be set where inbound.listen is: mail for them alone is taken");
  if (c.submission.listeners.empty() && c.http.listeners.empty())
    d.fault("", "nothing to listen on: set submission.listen or http.listen");
  std::set<std::pair<std::string, std::uint16_t>> taken;
  const auto take = [&](std::string_view list, std::size_t i, const std::string& address,
                        std::uint16_t port) {
    if (port != 0 && !taken.emplace(address, port).second)
      d.fault(fmt::format("{}.listen[{}]", list, i),
              fmt::format("{}:{} is listened on already", address, port));
  };
  for (std::size_t i = 0; i < c.submission.listeners.size(); ++i)
    take("submission", i, c.submission.listeners[i].address, c.submission.listeners[i].port);
  for (std::size_t i = 0; i < c.inbound.listeners.size(); ++i)
    take("inbound", i, c.inbound.listeners[i].address, c.inbound.listeners[i].port);
  for (std::size_t i = 0; i < c.http.listeners.size(); ++i)
    take("http", i, c.http.listeners[i].address, c.http.listeners[i].port);
  if (c.admin_socket.size() >= sizeof(sockaddr_un{}.sun_path))
    d.fault("admin.socket",
            fmt::format("is longer than a socket's path can be ({})", sizeof(sockaddr_un{}.sun_path) - 1));
}

void check_pressure(Document& d, const Config& c) {
  if (c.submission.connections.pressed_until > c.submission.connections.pressed_from)
    d.fault("submission.pressed_until", "must not be over submission.pressed_from");
}

void check_content_memory(Document& d, std::string_view section, std::uint64_t memory, std::uint64_t message,
                          std::string_view message_setting) {
  if (ByteBudget::for_one(memory) < message)
    d.fault(fmt::format("{}.content_memory", section),
            fmt::format(
                "must be {} at least, as three quarters of it are what one message can have, and {} is {}",
                format_size((message + 2) / 3 * 4), message_setting, format_size(message)));
}

void check_sizes(Document& d, const Config& c) {
  check_content_memory(d, "submission", c.submission.connections.content_bytes, c.intake.message_bytes,
                       "limits.message_size");
  check_content_memory(d, "inbound", c.inbound.connections.content_bytes, c.inbound.settings.message_bytes,
                       "inbound.message_size");
  // JSON carries attachments in base 64: four bytes for three.
  const std::uint64_t encoded = c.api.attachment_bytes / 3 * 4;
  if (!c.http.listeners.empty() && c.http.limits.body_bytes <= encoded)
    d.fault("http.body_size",
            fmt::format("must be over {} for limits.attachment_size, which base64 makes a third larger",
                        format_size(encoded)));
  if (c.intake.message_bytes <= encoded && !c.http.listeners.empty())
    d.fault("limits.message_size",
            fmt::format("must be over {} for limits.attachment_size, which base64 makes a third larger",
                        format_size(encoded)));
  if (c.writer.queue_bytes < 2 * c.intake.message_bytes)
    d.fault("spool.queue_size", "must hold at least two messages of limits.message_size");
  if (c.spool.map_bytes < 2 * c.writer.queue_bytes)
    d.fault("spool.map_size", "must be at least twice spool.queue_size");
  // The default is for large spools; in a small one it counts for less, and nobody has asked for it.
  const bool given = std::ranges::any_of(
      d.known(), [](const KnownKey& key) { return key.path == "spool.reserve" && key.given; });
  if (given && c.spool.reserve_bytes > c.spool.map_bytes / 4)
    d.fault("spool.reserve", fmt::format("must not be over a quarter of spool.map_size, which is {} here",
                                         format_size(c.spool.map_bytes / 4)));
}

void check_retry(Document& d, const Config& c) {
  const auto& r = c.delivery.retry;
  if (r.first > r.longest) d.fault("delivery.retry.first", "must not be over delivery.retry.longest");
  if (r.first >= r.window) d.fault("delivery.retry.window", "must be over delivery.retry.first");
  if (c.retention < r.window)
    d.fault("spool.retention",
            "must not be under delivery.retry.window: what became of a message would be forgotten at once");
}

void check_idempotency(Document& d, const Config& c) {
  if (c.intake.idempotency_window > c.retention)
    d.fault("limits.idempotency_window",
            "must not be over spool.retention: the message that a key stands for would be forgotten before");
}

void check_routes(Document& d, const Config& c) {
  std::set<std::string> seen;
  bool all = false;
  for (std::size_t i = 0; i < c.routes.size(); ++i) {
    const auto& pattern = c.routes[i].pattern;
    if (pattern.empty()) continue;  // refused already
    if (all || !seen.insert(pattern).second)
      d.fault(fmt::format("routes[{}].match", i),
              fmt::format("is never reached: an earlier route takes {}", pattern));
    all = all || pattern == "*";
  }
}

void check_resolver(Document& d, const Config& c) {
  std::set<std::string> seen;
  for (std::size_t i = 0; i < c.resolver.zones.size(); ++i) {
    const auto& zone = c.resolver.zones[i];
    if (zone.zone.empty()) continue;  // refused already
    if (!seen.insert(zone.zone).second)
      d.fault(fmt::format("resolver.zones[{}].zone", i), fmt::format("{} is there already", zone.zone));
    if (zone.servers.empty()) d.fault(fmt::format("resolver.zones[{}].servers", i), "must have a server");
  }
  if (c.resolver.validation == dns::Validation::no && !c.resolver.trust_anchors.empty())
    d.fault("resolver.trust_anchors", "would not count, as resolver.validate is no");
}

}  // namespace

void check_together(Document& d, const Config& c) {
  check_tls(d, c);
  check_listeners(d, c);
  check_pressure(d, c);
  check_sizes(d, c);
  check_retry(d, c);
  check_idempotency(d, c);
  check_routes(d, c);
  check_resolver(d, c);
}

}  // namespace relay::conf
