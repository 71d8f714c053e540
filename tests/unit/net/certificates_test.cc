#include "mta/net/certificates.h"

#include <doctest/doctest.h>

#include <atomic>
#include <fstream>
#include <sstream>
#include <thread>

#include "mta/net/ticket_keys.h"
#include "tests/unit/net/certificate.h"
#include "tests/unit/net/tls_peer.h"

namespace relay::net {
namespace {

using std::chrono::hours;
using test::Certificate;
using test::CertificateOptions;
using test::TlsPeer;

std::string shown(const std::shared_ptr<TlsContext>& context, const std::string& name,
                  int version = TLS1_3_VERSION) {
  TlsPeer peer({.version = version, .server_name = name});
  auto server = TlsEngine::make_server(context);
  REQUIRE(peer.shake_hands(*server));
  return peer.shown();
}

TEST_CASE("a certificate is chosen by the name asked for") {
  const Certificate standard({.host = "standard", .names = "DNS:mail.example.com"});
  const Certificate exact(
      {.host = "exact", .names = "DNS:Shop.Example.com, DNS:a.wild.example, IP:192.0.2.1"});
  const Certificate wild({.host = "wild", .names = "DNS:*.wild.example, DNS:mail.example.com", .rsa = true});
  const Certificate odd(
      {.host = "odd", .names = "DNS:f*.odd.example, DNS:*, DNS:*.*.odd.example, DNS:odd.example"});
  const auto store =
      CertificateStore::open({standard.files(), {exact.files(), wild.files(), odd.files()}}, system_wall());
  REQUIRE(store);
  const auto context = test::server_context(*store);
  struct Row {
    const char *name, *shown;
  };
  for (const auto& [name, expected] :
       {Row{"", "standard"}, Row{"mail.example.com", "standard"}, Row{"shop.example.com", "exact"},
        Row{"SHOP.example.COM", "exact"}, Row{"a.wild.example", "exact"}, Row{"b.wild.example", "wild"},
        Row{"B.WILD.example", "wild"}, Row{"c.b.wild.example", "standard"}, Row{"wild.example", "standard"},
        Row{"*.wild.example", "standard"}, Row{"foo.odd.example", "standard"}, Row{"odd.example", "odd"},
        Row{"elsewhere.example", "standard"}, Row{"localhost", "standard"},
        Row{".wild.example", "standard"}}) {
    CAPTURE(name);
    CHECK((*store)->set()->facts()[(*store)->set()->choose(name)].file ==
          (std::string_view(expected) == "exact"  ? exact.certificate_file()
           : std::string_view(expected) == "wild" ? wild.certificate_file()
           : std::string_view(expected) == "odd"  ? odd.certificate_file()
                                                  : standard.certificate_file()));
    if (std::string_view(name).find('*') != std::string_view::npos || *name == '.')
      continue;  // no client would
    CHECK(shown(context, name) == expected);
    CHECK(shown(context, name, TLS1_2_VERSION) == expected);
  }
  CHECK((*store)->set()->facts()[1].names == std::vector<std::string>{"shop.example.com", "a.wild.example"});
  CHECK((*store)->set()->facts()[3].names == std::vector<std::string>{"odd.example"});
}

TEST_CASE("certificates that cannot be used are named in the error") {
  const Certificate certificate, other;
  const Certificate nameless;
  const std::string missing = certificate.directory().file("missing.pem");
  const std::string garbage = certificate.directory().file("garbage.pem");
  const std::string torn = certificate.directory().file("torn.pem");
  std::ofstream(garbage) << "not a certificate\n";
  {
    std::ifstream whole(certificate.certificate_file());
    std::ostringstream text;
    text << whole.rdbuf();
    std::ofstream(torn) << text.str() << text.str().substr(0, text.str().size() / 2);
  }
  struct Case {
    CertificateSettings settings;
    std::string names;
  };
  const std::string good = certificate.certificate_file(), key = certificate.key_file();
  for (const auto& [settings, names] :
       {Case{{{missing, key}}, missing}, Case{{{good, missing}}, missing}, Case{{{garbage, key}}, garbage},
        Case{{{torn, key}}, torn}, Case{{{good, garbage}}, garbage},
        Case{{{good, other.key_file()}}, other.key_file()},
        Case{{{good, key}, {{good, other.key_file()}}}, other.key_file()},
        Case{{{good, key}, {nameless.files()}}, "no host name"}}) {
    CAPTURE(names);
    const auto made = CertificateStore::open(settings, system_wall());
    REQUIRE_FALSE(made);
    CAPTURE(made.error().message);
    CHECK(made.error().message.find(names) != std::string::npos);
  }
}

TEST_CASE("facts: names and both ends of its time") {
  const Certificate certificate({.names = "DNS:b.example, DNS:a.example", .begins_s = -60, .ends_s = 7200});
  const auto set = CertificateSet::read({certificate.files()});
  REQUIRE(set);
  const CertificateFacts& facts = (*set)->facts().at(0);
  CHECK(facts.file == certificate.certificate_file());
  CHECK(facts.names == std::vector<std::string>{"b.example", "a.example"});
  CHECK(facts.not_after - facts.not_before == std::chrono::seconds(7260));
  CHECK(facts.not_after > system_wall() + hours(1));
  CHECK(facts.not_after < system_wall() + hours(3));
}

TEST_CASE("what is warned of: an end that is near or past, a beginning to come") {
  const WallTime now = system_wall();
  struct Row {
    Duration begins, ends;  // from now
    const char* says;       // null: nothing
  };
  for (const auto& [begins, ends, says] :
       {Row{-hours(1), hours(24 * 15), nullptr}, Row{-hours(1), hours(24 * 14), "expires at 20"},
        Row{-hours(1), hours(1), "has not been renewed"}, Row{-hours(2), -hours(1), "has expired, at 20"},
        Row{-hours(2), Duration(0), "has expired"},
        Row{hours(1), hours(24 * 90), "is not valid before 20"}}) {
    const auto at = [now](Duration d) {
      return now + std::chrono::duration_cast<std::chrono::milliseconds>(d);
    };
    const CertificateFacts facts{"/etc/cert.pem", {"a.example", "b.example"}, at(begins), at(ends)};
    const auto warning = warning_of(facts, hours(24 * 14), now);
    REQUIRE(warning.has_value() == (says != nullptr));
    if (!warning) continue;
    CAPTURE(*warning);
    CHECK(warning->find(says) != std::string::npos);
    CHECK(warning->starts_with("the certificate /etc/cert.pem (\"a.example\", \"b.example\") "));
  }
}

struct Watched {
  Certificate certificate{CertificateOptions{.host = "first", .names = "DNS:a.example"}};
  WallTime now = system_wall();
  std::shared_ptr<CertificateStore> store = *CertificateStore::open({certificate.files()}, now);
  std::shared_ptr<TlsContext> context = test::server_context(store);
  std::string shows() { return shown(context, "a.example"); }
};

TEST_CASE("a changed file is read at the next check, an unchanged one is not") {
  Watched w;
  w.store->check(w.now);
  CHECK(w.store->status().reloads == 0);
  w.certificate.make({.host = "second", .names = "DNS:a.example"});
  CHECK(w.shows() == "first");
  w.store->check(w.now);
  CHECK(w.shows() == "second");
  CHECK(w.store->status().reloads == 1);
  w.store->check(w.now);
  CHECK(w.store->status().reloads == 1);
}

TEST_CASE("an open session and its engine outlive the certificate they began with") {
  Watched w;
  auto server = TlsEngine::make_server(w.context);
  TlsPeer peer;
  auto half = TlsEngine::make_server(w.context);
  TlsPeer late;
  REQUIRE(half->feed(late.first_flight()));
  REQUIRE(peer.shake_hands(*server));
  w.certificate.make({.host = "second"});
  REQUIRE(w.store->reload(w.now));
  REQUIRE(late.shake_hands(*half));
  CHECK(late.shown() == "first");
  CHECK(server->write("250 still here\r\n"));
  CHECK(w.shows() == "second");
}

TEST_CASE("a renewal that is half done is left, and taken once it is whole") {
  Watched w;
  const Certificate next({.host = "next"});
  std::filesystem::copy_file(next.certificate_file(), w.certificate.certificate_file(),
                             std::filesystem::copy_options::overwrite_existing);
  w.store->check(w.now);
  CHECK(w.shows() == "first");
  CHECK(w.store->status().failure.empty());  // only at the second time is it one
  w.store->check(w.now);
  w.store->check(w.now);
  CHECK(w.store->status().failure.find(w.certificate.key_file()) != std::string::npos);
  CHECK(w.store->status().failed_reloads == 1);  // and told once
  CHECK(w.shows() == "first");
  std::filesystem::copy_file(next.key_file(), w.certificate.key_file(),
                             std::filesystem::copy_options::overwrite_existing);
  w.store->check(w.now);
  CHECK(w.shows() == "next");
  CHECK(w.store->status().failure.empty());
  CHECK(w.store->status().reloads == 1);
}

TEST_CASE("told to reload, a fault is told at once and the old certificate stays") {
  Watched w;
  std::filesystem::remove(w.certificate.key_file());
  const auto failed = w.store->reload(w.now);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message.find(w.certificate.key_file()) != std::string::npos);
  CHECK(w.store->status().failure == failed.error().message);
  CHECK(w.shows() == "first");
  w.certificate.make({.host = "second"});
  REQUIRE(w.store->reload(w.now));
  CHECK(w.shows() == "second");
  CHECK(w.store->status().failure.empty());
  CHECK(w.store->status().reloads == 1);
  CHECK(w.store->status().failed_reloads == 1);
}

TEST_CASE("handshakes on several threads while certificates and ticket keys change") {
  Watched w;
  std::atomic<bool> stop = false;
  std::atomic<int> done = 0;
  const auto shake = [&] {
    while (!stop) {
      auto server = TlsEngine::make_server(w.context);
      auto client = TlsEngine::make_client(test::client_context(), {"a.example"}, {});
      for (int turn = 0; turn < 3; ++turn)
        if (!server->feed(client->to_wire()) || !client->feed(server->to_wire())) break;
      if (server->established() && client->established()) ++done;
    }
  };
  std::jthread one(shake), two(shake);
  Instant now{};
  for (int i = 0; i < 20 || done < 20; ++i) {
    w.certificate.make({.host = "next"});
    w.store->check(w.now);
    w.context->refresh_tickets(now += TicketKeys::lifetime);
    CHECK(w.store->status().certificates.size() == 1);
  }
  stop = true;
}

}  // namespace
}  // namespace relay::net
