#include "conf/settings.h"

#include <fmt/format.h>

#include "conf/checks.h"

namespace relay::conf {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::uint64_t KiB = 1024, MiB = 1024 * KiB, GiB = 1024 * MiB, TiB = 1024 * GiB;
constexpr std::uint32_t many = 1'000'000;
constexpr Duration days = hours(24);

template <std::unsigned_integral T>
constexpr T n(std::uint64_t v) {
  return static_cast<T>(v);
}

std::string in_lower_case(std::string name) {
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return name;
}

void required(Section& section, std::string_view key) {
  if (!section.has(key)) section.fault(key, "must be set");
}

// The interface and port of a listener.
void read_endpoint(Section& s, std::string& address, std::uint16_t& port) {
  required(s, "address");
  required(s, "port");
  s.text("address", address, check_address);
  s.number("port", port, n<std::uint16_t>(1), n<std::uint16_t>(65535));
}

void read_log(Section s, log::Settings& log) {
  static constexpr Choice<log::Level> levels[] = {{"debug", log::Level::debug},
                                                  {"info", log::Level::info},
                                                  {"warn", log::Level::warn},
                                                  {"error", log::Level::error}};
  s.choice("level", log.level, levels);
  s.yes_no("timestamps", log.timestamps);
}

void read_tls(Section s, Tls& tls) {
  s.path("certificate", tls.certificates.standard.certificate);
  s.path("key", tls.certificates.standard.key);
  s.each("sni", [&](Section& item) {
    net::CertificateFiles files;
    required(item, "certificate");
    required(item, "key");
    item.path("certificate", files.certificate);
    item.path("key", files.key);
    tls.certificates.by_name.push_back(std::move(files));
  });
  s.duration("check_interval", tls.check_interval, seconds(1), days);
  s.duration("expiry_warning", tls.certificates.expiry_warning, Duration::zero(), 365 * days);
}

void read_guard(Section s, intake::AuthGuardSettings& guard) {
  s.duration("window", guard.window, minutes(1), days);
  s.number("failures_before_delay", guard.failures_before_delay, 0u, 100u);
  s.duration("longest_delay", guard.longest_delay, Duration::zero(), minutes(1));
  s.number("failures_before_lockout", guard.failures_before_lockout, 2u, 100u);
  s.duration("lockout_time", guard.lockout_time, seconds(1), 7 * days);
  s.duration("known_time", guard.known_time, Duration::zero(), 365 * days);
  s.list("exempt", guard.exempt, check_address_range);
  s.number("tracked", guard.tracked, 1000u, 10u * many);
}

void read_submission(Section s, Submission& submission) {
  s.each("listen", [&](Section& item) {
    using Tls = SubmissionListener::Tls;
    static constexpr Choice<Tls> ways[] = {{"starttls", Tls::starttls}, {"implicit", Tls::implicit}};
    SubmissionListener listener;
    read_endpoint(item, listener.address, listener.port);
    item.choice("tls", listener.tls, ways);
    item.list("proxy_from", listener.proxy_from, check_address_range);
    submission.listeners.push_back(std::move(listener));
  });
  read_guard(s.section("guard"), submission.guard);
  auto& limits = submission.limits;
  auto& at_once = submission.connections;
  s.number("connections", at_once.sessions, 1u, many);
  s.number("connections_per_address", at_once.per_address, 0u, many);
  s.number("pressed_from", at_once.pressed_from, 1u, 100u);
  s.number("pressed_until", at_once.pressed_until, 0u, 100u);
  s.size("content_memory", at_once.content_bytes, 1 * MiB, 1 * TiB);
  static constexpr Choice<wire::BareNewlines> newlines[] = {{"normalise", wire::BareNewlines::normalise},
                                                            {"strict", wire::BareNewlines::refuse}};
  s.choice("bare_newlines", submission.bare_newlines, newlines);
  s.size("command_size", limits.command_line_bytes, n<std::size_t>(1 * KiB), n<std::size_t>(64 * KiB));
  s.size("auth_size", limits.auth_line_bytes, n<std::size_t>(1 * KiB), n<std::size_t>(64 * KiB));
  s.size("message_line_size", limits.message_line_bytes, n<std::size_t>(1 * KiB), n<std::size_t>(1 * GiB));
  s.number("messages", limits.messages, 1u, 999'999u);  // RFC 9422: six digits
  s.number("errors", limits.errors, 1u, 1000u);
  s.number("errors_at_once", limits.errors_at_once, 0u, 1000u);
  s.duration("error_delay", limits.error_delay, Duration::zero(), minutes(1));
  s.number("junk_commands", limits.junk_commands, 10u, many);  // a message takes up to five
  s.number("auth_failures", limits.auth_failures, 1u, 100u);
  s.duration("greeting_timeout", limits.greeting_timeout, seconds(1), hours(1));
  s.duration("command_timeout", limits.command_timeout, seconds(1), hours(1));
  s.duration("data_timeout", limits.data_timeout, seconds(1), hours(1));
  s.duration("message_timeout", limits.message_timeout, seconds(1), days);
  s.number("least_rate", limits.least_rate, 1u, 1'000'000'000u);
  s.duration("rate_grace", limits.rate_grace, seconds(1), hours(1));
  s.duration("pressed_timeout", limits.pressed_timeout, seconds(1), hours(1));
  s.number("pressed_errors", limits.pressed_errors, 0u, 1000u);
  s.number("pressed_rate", limits.pressed_rate, 1u, 1'000'000'000u);
}

void read_inbound(Section s, Inbound& inbound) {
  s.each("listen", [&](Section& item) {
    InboundListener listener;
    read_endpoint(item, listener.address, listener.port);
    item.list("proxy_from", listener.proxy_from, check_address_range);
    inbound.listeners.push_back(std::move(listener));
  });
  s.list("domains", inbound.settings.domains, check_domain);
  s.number("connections", inbound.connections.sessions, 1u, many);
  s.number("connections_per_address", inbound.connections.per_address, 0u, many);
  s.size("content_memory", inbound.connections.content_bytes, 1 * MiB, 1 * TiB);
  s.size("message_size", inbound.settings.message_bytes, 64 * KiB, 1 * GiB);
  s.number("recipients", inbound.settings.recipients, 1u, 10'000u);
}

void read_http(Section s, Http& http, api::ApiSettings& api) {
  s.each("listen", [&](Section& item) {
    HttpListener listener;
    read_endpoint(item, listener.address, listener.port);
    item.yes_no("tls", listener.tls);
    item.list("proxy_from", listener.proxy_from, check_address_range);
    http.listeners.push_back(std::move(listener));
  });
  auto& limits = http.limits;
  s.number("connections", http.connections.sessions, 1u, many);
  s.size("head_size", limits.head_bytes, n<std::size_t>(1 * KiB), n<std::size_t>(1 * MiB));
  s.size("body_size", limits.body_bytes, 64 * KiB, 1 * GiB);
  s.number("requests_per_connection", limits.requests, 1u, many);
  s.duration("idle_timeout", limits.idle_timeout, seconds(1), hours(1));
  s.duration("head_timeout", limits.head_timeout, seconds(1), hours(1));
  s.duration("body_timeout", limits.body_timeout, seconds(1), hours(1));
  s.list("metrics_from", api.metrics_from, check_address_range);
}

void read_sessions(Section s, net::SessionLimits& limits) {
  s.size("unsent_size", limits.unsent_bytes, n<std::size_t>(64 * KiB), n<std::size_t>(256 * MiB));
  s.duration("write_timeout", limits.write_timeout, seconds(1), hours(1));
  s.number("least_rate", limits.least_rate, 1u, 1'000'000'000u);
  s.duration("handshake_timeout", limits.handshake_timeout, seconds(1), hours(1));
  s.duration("linger_timeout", limits.linger_timeout, Duration::zero(), minutes(10));
  s.duration("proxy_timeout", limits.proxy_timeout, seconds(1), hours(1));
}

void read_spool(Section s, Config& c) {
  required(s, "directory");
  s.path("directory", c.spool.directory);
  s.size("map_size", c.spool.map_bytes, 16 * MiB, 64 * TiB);
  s.size("reserve", c.spool.reserve_bytes, 1 * MiB, 1 * TiB);
  static constexpr Choice<spool::Durability> promises[] = {{"sync", spool::Durability::sync},
                                                           {"relaxed", spool::Durability::relaxed}};
  s.choice("durability", c.spool.durability, promises);
  s.duration("sync_pause", c.writer.sync_pause, milliseconds(10), minutes(1));
  s.number("unrecorded", c.delivery.unrecorded, n<std::uint64_t>(100), n<std::uint64_t>(many));
  s.duration("stop_timeout", c.writer.stop_patience, seconds(1), minutes(10));
  s.size("queue_size", c.writer.queue_bytes, n<std::size_t>(1 * MiB), n<std::size_t>(64 * GiB));
  s.size("batch_size", c.writer.batch_bytes, n<std::size_t>(64 * KiB), n<std::size_t>(1 * GiB));
  s.number("batch_operations", c.writer.batch_operations, n<std::size_t>(1), n<std::size_t>(many));
  s.number("in_flight", c.in_flight.places, 1000u, 16u * many);
  s.number("read_threads", c.loader.threads, 1u, 64u);
  s.duration("retention", c.retention, hours(1), 3650 * days);
}

void read_limits(Section s, Config& c) {
  // RFC 5321 4.5.3.1.7 and .8: at least 64 K octets and 100 recipients.
  s.size("message_size", c.intake.message_bytes, 64 * KiB, 1 * GiB);
  s.number("recipients", c.intake.recipients, 100u, 100'000u);
  s.size("header_size", c.intake.header_bytes, n<std::size_t>(16 * KiB), n<std::size_t>(16 * MiB));
  s.number("received_hops", c.intake.received_hops, 10u, 1000u);
  s.number("mime_depth", c.intake.mime_depth, 10u, 1000u);
  s.number("recipients_per_field", c.api.recipients_per_field, 1u, 100'000u);
  s.number("attachments", c.api.attachments, 0u, 10'000u);
  s.size("attachment_size", c.api.attachment_bytes, 0 * MiB, 1 * GiB);
  s.number("headers", c.api.headers, 0u, 10'000u);
  s.size("header_value_size", c.api.header_value_bytes, 998u, n<std::uint32_t>(1 * MiB));
  s.size("subject_size", c.api.subject_bytes, 100u, n<std::uint32_t>(64 * KiB));
  s.number("tags", c.api.tags, 0u, 10'000u);
  s.size("tag_size", c.api.tag_bytes, 1u, n<std::uint32_t>(4 * KiB));
  auto& attributes = c.intake.attributes;
  s.number("metadata", attributes.metadata, 0u, 1000u);
  s.size("metadata_name_size", attributes.metadata_name_bytes, 1u, n<std::uint32_t>(1 * KiB));
  s.size("metadata_value_size", attributes.metadata_value_bytes, 1u, n<std::uint32_t>(64 * KiB));
  s.duration("schedule_ahead", c.intake.schedule_ahead, Duration::zero(), 365 * days);
  s.duration("idempotency_window", c.intake.idempotency_window, minutes(1), 30 * days);
}

void read_routes(Section& root, std::vector<queue::RouteRule>& routes) {
  root.each("routes", [&](Section& s) {
    queue::RouteRule rule;
    std::string to;
    required(s, "match");
    required(s, "to");
    s.text("match", rule.pattern, check_route_pattern);
    s.text("to", to, [](std::string_view text) -> std::optional<std::string> {
      if (text == "mx") return std::nullopt;
      const auto target = parse_host_port(text);
      if (target) return std::nullopt;
      return target.error().message + ", nor mx";
    });
    static constexpr Choice<bool> ways[] = {{"opportunistic", false}, {"required", true}};
    s.choice("tls", rule.tls_required, ways);
    if (!to.empty() && to != "mx") rule.to = *parse_host_port(to);
    routes.push_back(std::move(rule));
  });
}

void read_resolver(Section s, dns::UnboundSettings& resolver) {
  using dns::Validation;
  static constexpr Choice<Validation> validations[] = {
      {"auto", Validation::automatic}, {"yes", Validation::yes}, {"no", Validation::no}};
  s.list("servers", resolver.servers, check_dns_server);
  s.each("zones", [&](Section& item) {
    dns::ZoneServers zone;
    required(item, "zone");
    required(item, "servers");
    item.text("zone", zone.zone, check_domain);
    item.list("servers", zone.servers, check_dns_server);
    item.yes_no("stub", zone.stub);
    resolver.zones.push_back(std::move(zone));
  });
  s.duration("timeout", resolver.timeout, milliseconds(100), minutes(10));
  s.choice("validate", resolver.validation, validations);
  s.path("trust_anchor", resolver.trust_anchor_file);
  s.list("trust_anchors", resolver.trust_anchors, check_trust_anchor);
  s.list("insecure_zones", resolver.insecure_zones, check_domain);
  s.duration("probe_timeout", resolver.probe_timeout, milliseconds(100), minutes(1));
  s.duration("probe_pause", resolver.probe_pause, seconds(10), days);
  s.size("cache_size", resolver.cache_bytes, 1 * MiB, 16 * GiB);
  s.number("hosts", resolver.limits.hosts, n<std::size_t>(1), n<std::size_t>(100));
  s.number("addresses", resolver.limits.addresses, n<std::size_t>(1), n<std::size_t>(100));
}

// What mail that goes by MX may be sent to; the resolver keeps to it.
void read_host_rules(Section& delivery, Config& c) {
  static constexpr Choice<bool> families[] = {{"ipv6", true}, {"ipv4", false}};
  std::vector<std::string> allowed;
  delivery.list("allow_networks", allowed, check_address_range);
  c.resolver.rules.guard = AddressGuard(std::move(allowed));
  delivery.choice("prefer", c.resolver.rules.ipv6_first, families);
}

void read_retry(Section s, queue::RetrySettings& retry) {
  s.duration("first", retry.first, seconds(1), days);
  s.decimal("factor", retry.factor, 1.0, 10.0);
  s.duration("longest", retry.longest, seconds(1), 7 * days);
  s.duration("window", retry.window, minutes(1), 30 * days);
  s.decimal("jitter", retry.jitter, 0.0, 0.9);
}

void read_shaping(Section s, queue::SchedulerSettings& d, std::string& file) {
  s.path("classify", file);
  queue::ShapingSettings& shaping = d.shaping;
  s.duration("first_pause", shaping.first_pause, seconds(1), hours(1));
  s.duration("longest_pause", shaping.longest_pause, seconds(1), days);
  s.decimal("slowest", shaping.slowest, 0.001, 1000.0);
  s.duration("recovery", shaping.recovery, seconds(1), days);
  s.duration("forgotten", shaping.forgotten, seconds(1), days);
}

void read_timeouts(Section s, wire::ClientTimeouts& t) {
  const auto stage = [&](std::string_view key, Duration& value) {
    s.duration(key, value, seconds(1), hours(1));
  };
  stage("connect", t.connect);
  stage("greeting", t.greeting);
  stage("ehlo", t.ehlo);
  stage("starttls", t.starttls);
  stage("auth", t.auth);
  stage("mail", t.mail);
  stage("rcpt", t.rcpt);
  stage("data", t.data);
  stage("content", t.content);
  stage("final_dot", t.final_dot);
  stage("rset", t.rset);
  stage("quit", t.quit);
}

void read_delivery(Section s, Config& c) {
  queue::SchedulerSettings& d = c.delivery;
  using wire::Chunking, wire::TlsLevel;
  static constexpr Choice<TlsLevel> ways[] = {
      {"none", TlsLevel::none}, {"opportunistic", TlsLevel::opportunistic}, {"required", TlsLevel::encrypt}};
  static constexpr Choice<Chunking> chunking[] = {{"never", Chunking::never},
                                                  {"when_offered", Chunking::when_offered}};
  s.text("ehlo_name", d.client.ehlo_name, check_host_name);
  s.choice("tls", d.client.tls.level, ways);
  s.choice("chunking", d.client.chunking, chunking);
  s.number("connections", d.connections, 1u, 100'000u);
  s.number("connections_reserved", d.connections_reserved, 0u, 90u);
  s.number("connections_per_site", d.connections_per_site, 1u, 10'000u);
  s.number("connections_at_first", d.connections_at_first, 1u, 10'000u);
  s.number("messages_per_connection", d.messages_per_connection, 1u, many);
  s.number("recipients_per_transaction", d.recipients_per_transaction, 1u, 10'000u);
  s.number("messages_per_turn", d.messages_per_turn, 1u, many);
  s.number("transactional_weight", d.transactional_weight, 1u, 1000u);
  s.number("addresses_per_attempt", d.addresses_per_attempt, 1u, 1000u);
  s.duration("hosts_fresh", d.hosts_fresh, Duration::zero(), days);
  s.duration("host_rest", d.host_rest, Duration::zero(), days);
  read_host_rules(s, c);
  s.yes_no("refuse_null_mx_senders", d.refuse_null_mx_senders);
  s.duration("idle", d.idle, Duration::zero(), minutes(5));
  s.size("body_memory", d.body_bytes, 0 * MiB, 1 * TiB);
  s.size("reply_size", d.client.reply_bytes, n<std::size_t>(1 * KiB), n<std::size_t>(16 * MiB));
  s.number("reply_lines", d.client.reply_lines, 1u, 100'000u);
  read_retry(s.section("retry"), d.retry);
  read_shaping(s.section("shaping"), d, c.classify_file);
  read_timeouts(s.section("timeouts"), d.client.timeouts);
}

}  // namespace

void read_settings(Document& document, Config& config) {
  Section root = document.root();
  required(root, "host_name");
  root.text("host_name", config.host_name, check_host_name);
  root.number("loops", config.loops, 0u, 1024u);
  root.duration("shutdown_grace", config.shutdown_grace, Duration::zero(), minutes(10));
  read_log(root.section("log"), config.log);
  read_tls(root.section("tls"), config.tls);
  read_submission(root.section("submission"), config.submission);
  read_inbound(root.section("inbound"), config.inbound);
  read_http(root.section("http"), config.http, config.api);
  {
    Section admin = root.section("admin");
    required(admin, "socket");
    admin.path("socket", config.admin_socket);
  }
  read_sessions(root.section("sessions"), config.sessions);
  read_spool(root.section("spool"), config);
  read_limits(root.section("limits"), config);
  read_routes(root, config.routes);
  read_resolver(root.section("resolver"), config.resolver);
  read_delivery(root.section("delivery"), config);

  // One setting, told to each module that needs it.
  config.intake.host_name = config.host_name;
  config.api.host_name = config.host_name;
  config.api.spool_directory = config.spool.directory;
  if (config.delivery.client.ehlo_name.empty()) config.delivery.client.ehlo_name = config.host_name;
  config.resolver.rules.own_names = {in_lower_case(config.host_name)};
  if (config.delivery.client.ehlo_name != config.host_name)
    config.resolver.rules.own_names.push_back(in_lower_case(config.delivery.client.ehlo_name));
  config.submission.limits.message_bytes = config.intake.message_bytes;
  config.submission.limits.recipients = config.intake.recipients;
  config.intake.attributes.tags = config.api.tags;
  config.intake.attributes.tag_bytes = config.api.tag_bytes;
}

}  // namespace relay::conf
