// dns_lookup SERVER ANCHOR-FILE mail|tlsa|txt NAME...: what the resolver makes of a name, a line a fact, for
// tests with a real name server. Answers are validated.
#include <fmt/format.h>

#include <cstdio>
#include <string>

#include "mta/dns/resolver.h"
#include "mta/net/uv_loop.h"

using namespace relay;

namespace {

constexpr std::string_view text(dns::MailHosts::Status status) {
  using enum dns::MailHosts::Status;
  switch (status) {
    case ok: return "ok";
    case null_mx: return "null_mx";
    case no_domain: return "no_domain";
    case loop: return "loop";
    case refused: return "refused";
    case temporary: return "temporary";
  }
  return "?";
}

constexpr std::string_view text(dns::Answer::Status status) {
  using enum dns::Answer::Status;
  switch (status) {
    case data: return "data";
    case no_data: return "no_data";
    case no_domain: return "no_domain";
    case failed: return "failed";
  }
  return "?";
}

void print(const dns::MailHosts& found) {
  fmt::print("status {} secure {} bogus {}\n", text(found.status), found.secure, found.bogus);
  for (const auto& host : found.hosts) {
    fmt::print("host {} preference {} secure {} addresses", host.name, host.preference, host.secure);
    for (const auto& address : host.addresses) fmt::print(" {}", address);
    fmt::print(" tlsa");
    for (const auto& base : host.tlsa_bases) fmt::print(" {}", base);
    fmt::print("\n");
  }
}

void print(const dns::TlsaRecords& found) {
  fmt::print("status {} secure {} bogus {} unusable {}\n", text(found.status), found.secure, found.bogus,
             found.unusable);
  for (const auto& record : found.records)
    fmt::print("record {} {} {} of {} octets\n", static_cast<int>(record.usage),
               static_cast<int>(record.selector), static_cast<int>(record.matching), record.data.size());
}

void print(const dns::Texts& found) {
  fmt::print("status {} secure {} bogus {}\n", text(found.status), found.secure, found.bogus);
  for (const auto& one : found.texts) fmt::print("text {}\n", one);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  dns::UnboundSettings settings;
  settings.servers = {argv[1]};
  settings.validation = dns::Validation::yes;
  settings.trust_anchor_file = argv[2];
  settings.announce = false;
  net::UvLoop loop;
  auto resolver = dns::make_unbound(settings, loop, 1);
  if (!resolver) return std::fputs(resolver.error().message.c_str(), stderr), 1;
  const std::string what = argv[3];
  int open = argc - 4;
  const auto show = [&](const auto& found) {
    print(found);
    if (--open == 0) loop.stop();
  };
  for (int i = 4; i < argc; ++i) {
    if (what == "mail") (*resolver)->mail_hosts(argv[i], show);
    if (what == "tlsa") (*resolver)->tlsa(argv[i], 25, show);
    if (what == "txt") (*resolver)->txt(argv[i], show);
  }
  loop.run();
  return 0;
}
