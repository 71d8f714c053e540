#include "conf/loader.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

using namespace relay;
using namespace relay::conf;

namespace {

// The least that is a whole configuration; `more` is appended.
std::string minimal(const std::string& more = "") {
  return "host_name: mail.example.com\n"                      // line 1
         "tls: {certificate: cert.pem, key: /etc/key.pem}\n"  // 2
         "submission:\n"                                      // 3
         "  listen:\n"                                        // 4
         "    - {address: 127.0.0.1, port: 2587}\n"           // 5
         "admin: {socket: ../run/relay.sock}\n"               // 6
         "spool: {directory: spool}\n" +                      // 7
         more;                                                // 8
}

std::string shown(const std::vector<Fault>& faults) {
  std::string all;
  for (const auto& f : faults) all += std::to_string(f.line) + ": " + f.key + ": " + f.reason + "\n";
  return all;
}

}  // namespace

TEST_CASE("a minimal configuration has the modules' own defaults") {
  const Loaded loaded = load_text(minimal(), "/etc/relay");
  CAPTURE(shown(loaded.faults));
  REQUIRE(loaded.faults.empty());
  const Config& c = loaded.config;
  CHECK(c.host_name == "mail.example.com");
  CHECK(c.intake.host_name == "mail.example.com");
  CHECK(c.api.host_name == "mail.example.com");
  CHECK(c.delivery.client.ehlo_name == "mail.example.com");
  CHECK(c.tls.certificates.standard.certificate == "/etc/relay/cert.pem");
  CHECK(c.tls.certificates.standard.key == "/etc/key.pem");
  CHECK(c.tls.certificates.by_name.empty());
  CHECK(c.tls.check_interval == std::chrono::minutes(1));
  CHECK(c.admin_socket == "/etc/run/relay.sock");
  CHECK(c.spool.directory == "/etc/relay/spool");
  REQUIRE(c.submission.listeners.size() == 1);
  CHECK(c.submission.listeners[0].address == "127.0.0.1");
  CHECK(c.submission.listeners[0].port == 2587);
  CHECK(c.submission.listeners[0].tls == SubmissionListener::Tls::starttls);
  CHECK(c.delivery.retry.first == queue::RetrySettings{}.first);
  CHECK(c.routes.empty());
  CHECK(c.http.listeners.empty());
}

TEST_CASE("values reach the settings they name") {
  const Loaded loaded = load_text(minimal(R"(
loops: 3
log: {level: debug, timestamps: false}
http:
  listen: [{address: "::1", port: 8025, tls: true, proxy_from: [loopback, 192.0.2.0/24]}]
  idle_timeout: 2m
limits: {message_size: 60MB, recipients: 250, tags: 7, schedule_ahead: 2d}
routes:
  - {match: example.com, to: "192.0.2.1:2525", tls: required}
  - {match: "*.example.com", to: mx}
  - {match: "*", to: "[2001:db8::1]:26"}
resolver:
  servers: [192.0.2.53, "2001:db8::53@5353"]
  zones: [{zone: corp.example, servers: [10.0.0.53]}, {zone: lab.example, servers: ["::1@53"], stub: true}]
  timeout: 500ms
  validate: yes
  trust_anchor: keys
  trust_anchors: [". IN DS 20326 8 2 E06D44B8", "corp.example. 3600 IN DNSKEY 257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0d xCjjnopKl+GqJxpVXckHAeF+KkxLbxIL"]
  insecure_zones: [old.example]
  probe_timeout: 1s
  probe_pause: 1h
  cache_size: 8MiB
  hosts: 5
  addresses: 3
delivery:
  ehlo_name: out.example.com
  tls: none
  allow_networks: [10.1.0.0/16, loopback]
  prefer: ipv4
  refuse_null_mx_senders: false
  retry: {first: 30s, factor: 1.5, jitter: 0}
  timeouts: {final_dot: 20m}
)"),
                                  "/x");
  CAPTURE(shown(loaded.faults));
  REQUIRE(loaded.faults.empty());
  const Config& c = loaded.config;
  CHECK(c.loops == 3);
  CHECK(c.log.level == log::Level::debug);
  CHECK_FALSE(c.log.timestamps);
  CHECK(c.http.listeners.at(0).address == "::1");
  CHECK(c.http.listeners.at(0).tls);
  CHECK(c.http.listeners.at(0).proxy_from == std::vector<std::string>{"loopback", "192.0.2.0/24"});
  CHECK(c.submission.listeners.at(0).proxy_from.empty());
  CHECK(c.http.limits.idle_timeout == std::chrono::minutes(2));
  CHECK(c.intake.message_bytes == 60'000'000);
  CHECK(c.submission.limits.message_bytes == 60'000'000);
  CHECK(c.submission.limits.recipients == 250);
  CHECK(c.api.tags == 7);
  CHECK(c.intake.attributes.tags == 7);
  CHECK(c.intake.schedule_ahead == std::chrono::hours(48));
  REQUIRE(c.routes.size() == 3);
  CHECK(c.routes[0].to->host == "192.0.2.1");
  CHECK(c.routes[0].to->port == 2525);
  CHECK(c.routes[0].tls_required);
  CHECK_FALSE(c.routes[1].to.has_value());
  CHECK(c.routes[2].to->host == "2001:db8::1");
  CHECK(c.routes[2].to->port == 26);
  CHECK(c.resolver.servers == std::vector<std::string>{"192.0.2.53", "2001:db8::53@5353"});
  CHECK(c.resolver.timeout == std::chrono::milliseconds(500));
  REQUIRE(c.resolver.zones.size() == 2);
  CHECK(c.resolver.zones[0].zone == "corp.example");
  CHECK(c.resolver.zones[0].servers == std::vector<std::string>{"10.0.0.53"});
  CHECK_FALSE(c.resolver.zones[0].stub);
  CHECK(c.resolver.zones[1].stub);
  CHECK(c.resolver.validation == dns::Validation::yes);
  CHECK(c.resolver.trust_anchor_file == "/x/keys");
  CHECK(c.resolver.trust_anchors.size() == 2);
  CHECK(c.resolver.insecure_zones == std::vector<std::string>{"old.example"});
  CHECK(c.resolver.probe_timeout == std::chrono::seconds(1));
  CHECK(c.resolver.probe_pause == std::chrono::hours(1));
  CHECK(c.resolver.cache_bytes == 8u << 20);
  CHECK(c.resolver.limits.hosts == 5);
  CHECK(c.resolver.limits.addresses == 3);
  CHECK_FALSE(c.resolver.rules.guard.refuses("10.1.2.3"));
  CHECK_FALSE(c.resolver.rules.guard.refuses("::1"));
  CHECK(c.resolver.rules.guard.refuses("10.2.0.1"));
  CHECK_FALSE(c.resolver.rules.ipv6_first);
  CHECK(c.resolver.rules.own_names == std::vector<std::string>{"mail.example.com", "out.example.com"});
  CHECK_FALSE(c.delivery.refuse_null_mx_senders);
  CHECK(c.delivery.client.ehlo_name == "out.example.com");
  CHECK(c.delivery.client.tls.level == wire::TlsLevel::none);
  CHECK(c.delivery.retry.factor == 1.5);
  CHECK(c.delivery.client.timeouts.final_dot == std::chrono::minutes(20));
}

TEST_CASE("certificates by name need both files each, and the standard one") {
  const auto load = [](const std::string& tls) {
    std::string text = minimal();
    const std::string standard = "tls: {certificate: cert.pem, key: /etc/key.pem}";
    text.replace(text.find(standard), standard.size(), tls);
    return load_text(text, "/etc/relay");
  };
  const Loaded good = load(
      "tls: {certificate: a.pem, key: b.pem, sni: [{certificate: c.pem, key: /d.pem}, {certificate: e, key: "
      "f}], "
      "check_interval: 5s, expiry_warning: 30d}");
  CAPTURE(shown(good.faults));
  REQUIRE(good.faults.empty());
  const auto& certificates = good.config.tls.certificates;
  REQUIRE(certificates.by_name.size() == 2);
  CHECK(certificates.by_name[0].certificate == "/etc/relay/c.pem");
  CHECK(certificates.by_name[0].key == "/d.pem");
  CHECK(certificates.expiry_warning == std::chrono::hours(24 * 30));
  CHECK(good.config.tls.check_interval == std::chrono::seconds(5));
  CHECK(shown(load("tls: {certificate: a, key: b, sni: [{certificate: c}]}").faults) ==
        "2: tls.sni[0].key: must be set\n");
  CHECK(shown(load("tls: {sni: [{certificate: c, key: d}]}").faults)
            .find("2: tls.sni: needs tls.certificate") != std::string::npos);
  CHECK(shown(load("tls: {certificate: a, key: b, check_interval: 0s}").faults)
            .find("is not between 1s and 1d") != std::string::npos);
}

TEST_CASE("every fault is refused with line, key and reason") {
  struct Row {
    const char* more;  // from line 8 on
    int line;
    const char* key;
    const char* reason;  // a part of it
  };
  const Row rows[] = {
      {"lops: 2", 8, "lops", "did you mean \"loops\""},
      {"colour: red", 8, "colour", "is not a setting; there are"},
      {"http:\n  port: 1", 9, "http.port", "is not a setting"},
      {"loops: 2\nloops: 3", 9, "loops", "already set on line 8"},
      {"loops: many", 8, "loops", "is not a whole number"},
      {"loops: -1", 8, "loops", "is not a whole number"},
      {"loops: 1.5", 8, "loops", "is not a whole number"},
      {"loops: \"2\"", 8, "loops", "is not a whole number"},
      {"loops: 99999999999999999999", 8, "loops", "is not between"},
      {"loops: 1025", 8, "loops", "is not between 0 and 1024"},
      {"loops: [1]", 8, "loops", "must be a number, not a list"},
      {"loops:", 8, "loops", "must be a number, not nothing"},
      {"log: debug", 8, "log", "must be a mapping"},
      {"log: {level: loud}", 8, "log.level", "must be debug, info, warn or error"},
      {"log: {timestamps: yes}", 8, "log.timestamps", "must be true or false"},
      {"log: {timestamps: \"true\"}", 8, "log.timestamps", "must be true or false"},
      {"shutdown_grace: 5", 8, "shutdown_grace", "lacks a unit"},
      {"shutdown_grace: 11m", 8, "shutdown_grace", "is not between 0 and 10m"},
      {"limits: {message_size: 1}", 8, "limits.message_size", "lacks a unit"},
      {"limits: {message_size: 1KiB}", 8, "limits.message_size", "is not between 64KiB and 1GiB"},
      {"http: {listen: {address: 127.0.0.1}}", 8, "http.listen", "must be a list"},
      {"http:\n  listen:\n    - {port: 1}", 10, "http.listen[0].address", "must be set"},
      {"http:\n  listen:\n    - {address: localhost, port: 1}", 10, "http.listen[0].address",
       "is not an IP address"},
      {"http:\n  listen:\n    - {address: 127.0.0.1, port: 1, proxy_from: [haproxy]}", 10,
       "http.listen[0].proxy_from[0]", "is neither ADDRESS"},
      {"http:\n  listen:\n    - {address: 127.0.0.1, port: 70000}", 10, "http.listen[0].port",
       "70000 is not between 1 and 65535"},
      {"http:\n  listen:\n    - 8025", 10, "http.listen[0]", "must be a mapping"},
      {"http: {listen: [{address: 127.0.0.1, port: 2587}]}", 8, "http.listen[0]", "listened on already"},
      {"routes: [{match: \"*\"}]", 8, "routes[0].to", "must be set"},
      {"routes: [{match: Example.com, to: mx}]", 8, "routes[0].match", "lower case"},
      {"routes: [{match: \"a.*.b\", to: mx}]", 8, "routes[0].match", "is neither"},
      {"routes: [{match: a.b, to: \"host:0\"}]", 8, "routes[0].to", "is not HOST"},
      {"routes:\n  - {match: \"*\", to: mx}\n  - {match: a.b, to: mx}", 10, "routes[1].match",
       "is never reached"},
      {"resolver: {servers: [dns.example]}", 8, "resolver.servers[0]", "is neither ADDRESS"},
      {"resolver: {servers: 192.0.2.1}", 8, "resolver.servers", "must be a list"},
      {"resolver: {zones: [{zone: x.example}]}", 8, "resolver.zones[0].servers", "must be set"},
      {"resolver: {zones: [{zone: x.example, servers: []}]}", 8, "resolver.zones[0].servers",
       "must have a server"},
      {"resolver: {zones: [{zone: \"a b\", servers: [192.0.2.1]}]}", 8, "resolver.zones[0].zone",
       "is not a host name"},
      {"resolver: {zones: [{zone: x.example, servers: [x]}]}", 8, "resolver.zones[0].servers[0]",
       "is neither ADDRESS"},
      {"resolver: {zones: [{zone: x.example, servers: [\"::1\"]}, {zone: x.example, servers: [\"::1\"]}]}", 8,
       "resolver.zones[1].zone", "is there already"},
      {"resolver: {validate: maybe}", 8, "resolver.validate", ""},
      {"resolver: {trust_anchors: [\"x.example. TXT a b c d\"]}", 8, "resolver.trust_anchors[0]",
       "is no DS or DNSKEY"},
      {"resolver: {trust_anchors: [\"x.example. DS 1 2 3\"]}", 8, "resolver.trust_anchors[0]",
       "is no DS or DNSKEY"},
      {"resolver: {trust_anchors: [\"x.example. DS 1 2 3 ABCG\"]}", 8, "resolver.trust_anchors[0]",
       "is no DS or DNSKEY"},
      {"resolver: {validate: no, trust_anchors: [\"x.example. DS 1 2 3 AB\"]}", 8, "resolver.trust_anchors",
       "would not count"},
      {"resolver: {hosts: 0}", 8, "resolver.hosts", "is not between 1 and 100"},
      {"delivery: {allow_networks: [10.0.0.1/8]}", 8, "delivery.allow_networks[0]", "is neither ADDRESS"},
      {"delivery: {prefer: ipv5}", 8, "delivery.prefer", ""},
      {"delivery: {retry: {factor: 0.5}}", 8, "delivery.retry.factor", "is not between 1 and 10"},
      {"delivery: {retry: {factor: nan}}", 8, "delivery.retry.factor", "is not a number"},
      {"delivery: {retry: {first: 5h}}", 8, "delivery.retry.first", "must not be over"},
      {"delivery: {ehlo_name: 192.0.2.1}", 8, "delivery.ehlo_name", "is an address"},
      {"delivery: {ehlo_name: \"\"}", 8, "delivery.ehlo_name", "must not be empty"},
      {"limits: {attachment_size: 1GiB}", 0, "http.body_size", ""},
      {"? [a]\n: b", 8, "", "has a key that is not a word"},
      {"---\nloops: 1", 0, "", "second YAML document"},
      {"loops: [", 0, "", "is not YAML"},
      {"\tloops: 1", 0, "", "is not YAML"},
  };
  for (const auto& row : rows) {
    std::string text = minimal(row.more);
    if (std::string(row.key) == "http.body_size") text += "\nhttp: {listen: [{address: ::1, port: 80}]}";
    const Loaded loaded = load_text(text, "/etc/relay");
    CAPTURE(row.more);
    CAPTURE(shown(loaded.faults));
    bool found = false;
    for (const auto& f : loaded.faults)
      found = found || ((row.line == 0 || f.line == row.line) && f.key == row.key &&
                        f.reason.find(row.reason) != std::string::npos);
    CHECK(found);
  }
}

TEST_CASE("a reserve that would take much of the spool is refused, the default never") {
  const auto faults = [](const std::string& spool) {
    std::string text = minimal("limits: {message_size: 36MiB}\n");
    text.replace(text.find("directory: spool"), 16, "directory: spool, queue_size: 72MiB, " + spool);
    return shown(load_text(text, "/").faults);
  };
  CHECK(faults("map_size: 144MiB") == "");
  CHECK(faults("map_size: 144MiB, reserve: 36MiB") == "");
  CHECK(faults("map_size: 144MiB, reserve: 37MiB") ==
        "7: spool.reserve: must not be over a quarter of spool.map_size, which is 36MiB here\n");
  CHECK(faults("reserve: 16GiB") == "");
  CHECK(faults("reserve: 17GiB").find("which is 16GiB here") != std::string::npos);
}

TEST_CASE("an idempotency key is not to be known for longer than its message") {
  const auto faults = [](const std::string& retention) {
    std::string text = minimal("limits: {idempotency_window: 5d}\n");
    text.replace(text.find("directory: spool"), 16, "directory: spool, retention: " + retention);
    return shown(load_text(text, "/").faults);
  };
  CHECK(faults("5d") == "");
  CHECK(faults("4d") ==
        "8: limits.idempotency_window: must not be over spool.retention: the message that a key stands for "
        "would be forgotten before\n");
}

TEST_CASE("all faults are told at once, by line") {
  const Loaded loaded = load_text("host_name: 1.2.3.4\nloops: x\nbogus: 1\nlog: {level: x, color: y}\n", "/");
  std::vector<std::string> keys;
  int line = 0;
  for (const auto& f : loaded.faults) {
    CHECK(f.line >= line);
    line = f.line;
    keys.push_back(f.key);
  }
  for (const char* key :
       {"host_name", "loops", "bogus", "log.level", "log.color", "admin.socket", "spool.directory"}) {
    CAPTURE(key);
    CHECK(std::ranges::count(keys, key) == 1);
  }
}

TEST_CASE("no text makes the loader crash") {
  const std::string whole =
      minimal("routes:\n  - {match: \"*\", to: \"[::1]:25\"}\nresolver: {servers: [\"::1\"]}\n");
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    load_text(whole.substr(0, cut), "/");
    std::string spoiled = whole;
    if (cut < whole.size()) spoiled[cut] = '{';
    load_text(spoiled, "/");
  }
  for (const char* text :
       {"", "~", "[]", "x", "{}", "&a [*a]", "a: *b", "<<: {a: b}", "\xff\xfe", "!!binary x"}) {
    CAPTURE(text);
    CHECK_FALSE(load_text(text, "/").faults.empty());
  }
}

TEST_CASE("a file's faults name the file as it was given") {
  std::string name = (std::filesystem::temp_directory_path() / "conf-XXXXXX").string();
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  const std::string path = name + "/relay.yaml";
  std::ofstream(path) << minimal("lops: 1\n");
  const auto refused = load_file(path);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error() ==
        std::vector<std::string>{path + ":8: lops: is not a setting; did you mean \"loops\"?"});
  std::ofstream(path) << minimal();
  const auto taken = load_file(path);
  REQUIRE(taken.has_value());
  CHECK(taken->spool.directory == name + "/spool");
  CHECK(load_file(name).error() == std::vector<std::string>{name + ": cannot be read: it is a directory"});
  CHECK(load_file(name + "/no").error() ==
        std::vector<std::string>{name + "/no: cannot be read: No such file or directory"});
  std::filesystem::remove_all(name);
}
