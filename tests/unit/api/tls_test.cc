// The certificates over the administration door: shown, and read anew.
#include <doctest/doctest.h>

#include <filesystem>

#include "tests/unit/api/support.h"
#include "tests/unit/net/certificate.h"

using namespace relay;
using namespace relay::api;
using relay::api::test::Got;
using relay::spool::test::must;

namespace {

// An API beside the fixture's own, with certificates.
struct WithTls : api::test::Relay {
  net::test::Certificate certificate{{.names = "DNS:a.example, DNS:*.b.example"}};
  std::shared_ptr<net::CertificateStore> store =
      must(net::CertificateStore::open({certificate.files()}, loop.wall()));
  Api tls_api{{loop,
               rng,
               intake,
               *keys,
               guard,
               dispatcher,
               *this->Relay::store,
               writer,
               loader,
               {"1.2.3", loop.wall(), "sync", 10000},
               nullptr,
               store.get()},
              {.host_name = "relay.test"}};

  Got ask(const std::string& method, const std::string& path) {
    std::optional<net::HttpResponse> answer;
    tls_api.handle(request(method, path, "", {}), Door::administration,
                   [&](net::HttpResponse response) { answer = std::move(response); });
    loop.run();
    REQUIRE(answer);
    boost::json::error_code ec;
    return {answer->status, answer->headers, answer->body, boost::json::parse(answer->body, ec)};
  }
};

}  // namespace

TEST_CASE("status shows the certificates, and null where there are none") {
  WithTls relay;
  const Got got = relay.ask("GET", "/admin/v1/status");
  CHECK(got.at("/tls/certificates/0/file") == relay.certificate.certificate_file());
  CHECK(got.at("/tls/certificates/0/names") == R"(["a.example","*.b.example"])");
  CHECK(got.at("/tls/certificates/0/not_after") == format_rfc3339(relay.store->set()->facts()[0].not_after));
  CHECK(got.at("/tls/failure") == "null");
  CHECK(relay.admin("GET", "/admin/v1/status").at("/tls") == "null");
}

TEST_CASE("certificates are read anew when told to; what cannot be used replaces nothing") {
  WithTls relay;
  relay.certificate.make({.names = "DNS:new.example"});
  const Got done = relay.ask("POST", "/admin/v1/tls/reload");
  CHECK(done.status == 200);
  CHECK(done.at("/certificates/0/names") == R"(["new.example"])");
  std::filesystem::remove(relay.certificate.key_file());
  const Got failed = relay.ask("POST", "/admin/v1/tls/reload");
  CHECK(failed.status == 409);
  CHECK(failed.at("/code") == "certificate_unusable");
  CHECK(failed.at("/detail").find(relay.certificate.key_file()) != std::string::npos);
  const Got status = relay.ask("GET", "/admin/v1/status");
  CHECK(status.at("/tls/failure").find(relay.certificate.key_file()) != std::string::npos);
  CHECK(status.at("/tls/certificates/0/names") == R"(["new.example"])");
  CHECK(relay.admin("POST", "/admin/v1/tls/reload").status == 404);
  CHECK(relay.app("POST", "/admin/v1/tls/reload").status == 404);
}
