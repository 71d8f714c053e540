#include <doctest/doctest.h>

#include "mta/net/session.h"
#include "tests/unit/net/certificate.h"
#include "tests/unit/net/wire_test.h"

namespace relay::net {
namespace {

using test::Net;
using test::TestDialog;
using wire::Closed;
using wire::Want;

BodyPtr ten_megabytes() {
  Body body;
  for (int i = 0; i < 40; ++i) {
    std::string segment(262'144, '\0');
    for (std::size_t j = 0; j < segment.size(); ++j)
      segment[j] = static_cast<char>((j * 31 + static_cast<std::size_t>(i)) % 251);
    body.append(std::move(segment));
  }
  return std::make_shared<const Body>(std::move(body));
}

TEST_CASE("implicit TLS: 10 MB from the client, answered when all is there") {
  const test::Certificate certificate;
  const BodyPtr body = ten_megabytes();
  Net net;
  std::shared_ptr<TestDialog::Seen> served;
  net.serve(
      [&] {
        auto d = std::make_unique<TestDialog>();
        served = d->seen;
        d->bytes = [&](TestDialog& self, std::string_view) {
          if (self.seen->bytes.size() == body->size()) self.out.append("250 taken");
        };
        return d;
      },
      certificate.server(), true);
  // A client for implicit TLS is a client that asks for the handshake before anything else.
  auto dialog = std::make_unique<TestDialog>();
  const auto seen = dialog->seen;
  dialog->opened = [](TestDialog& d) { d.want = Want::tls_handshake; };
  dialog->tls = [&](TestDialog& d) {
    for (const auto& segment : body->segments()) d.out.append(body, segment);
  };
  dialog->bytes = [](TestDialog& d, std::string_view) {
    if (d.seen->bytes == "250 taken") d.want = Want::close;
  };
  net.connect(std::move(dialog), test::client_context());
  net.run_until([&] { return served && served->destroyed && seen->destroyed; });
  CHECK(served->opened_with_tls);
  CHECK(served->tls == 0);
  CHECK(served->bytes == body->flatten());
  CHECK(seen->tls == 1);
  CHECK(seen->bytes == "250 taken");
  CHECK(served->closed[0].why == Closed::Why::end_of_file);
}

TEST_CASE("a client's implicit TLS, as its policy says") {
  const test::Certificate certificate;
  Net net;
  std::shared_ptr<TestDialog::Seen> served;
  net.serve(
      [&] {
        auto d = std::make_unique<TestDialog>();
        d->opened = [](TestDialog& self) { self.out.append("220 "); };
        served = d->seen;
        return d;
      },
      certificate.server(), true);
  auto dialog = std::make_unique<TestDialog>();
  const auto seen = dialog->seen;
  dialog->bytes = [](TestDialog& d, std::string_view) { d.want = Want::close; };
  wire::TlsPolicy policy;
  policy.implicit = true;
  SUBCASE("anyone") {
    net.connect(std::move(dialog), test::client_context(), {}, policy);
    net.run_until([&] { return seen->destroyed && served && served->destroyed; });
    CHECK(seen->opened_with_tls);
    CHECK(seen->tls == 0);
    CHECK(seen->bytes == "220 ");
  }
  SUBCASE("somebody trusted") {
    policy.level = wire::TlsLevel::verify;
    net.connect(std::move(dialog), test::client_context(), {}, policy);
    net.run_until([&] { return seen->destroyed; });
    CHECK_FALSE(seen->opened);
    REQUIRE(seen->closed.size() == 1);
    CHECK(seen->closed[0].why == Closed::Why::tls_failed);
    CHECK(seen->closed[0].problem == wire::TlsProblem::certificate_not_trusted);
  }
}

TEST_CASE("a secret goes out in its place, in clear and under TLS") {
  const test::Certificate certificate;
  for (const bool tls : {false, true}) {
    Net net;
    std::shared_ptr<TestDialog::Seen> served;
    net.serve(
        [&] {
          auto d = std::make_unique<TestDialog>();
          served = d->seen;
          return d;
        },
        tls ? certificate.server() : nullptr, tls);
    auto dialog = std::make_unique<TestDialog>();
    const auto speak = [](TestDialog& d) {
      d.out.append("AUTH ");
      d.out.append(Secret("s3cret"));
      d.out.append(Secret("2"));
      d.out.append("\r\n");
      d.out.append(Secret("last"));
      d.want = Want::close;
    };
    dialog->opened = speak;
    wire::TlsPolicy policy;
    policy.implicit = tls;
    net.connect(std::move(dialog), test::client_context(), {}, policy);
    net.run_until([&] { return served && served->destroyed; });
    CHECK(served->bytes == "AUTH s3cret2\r\nlast");
  }
}

// A server that takes "starttls" in clear and then sends the body; what the client sent in clear behind
// "starttls" was in the same read and is not carried over.
std::unique_ptr<TestDialog> starttls_server(const BodyPtr& body) {
  auto d = std::make_unique<TestDialog>();
  d->opened = [](TestDialog& self) { self.out.append("220 "); };
  d->bytes = [body](TestDialog& self, std::string_view bytes) {
    if (self.seen->tls == 0) {
      self.out.append("go");
      self.want = Want::tls_handshake;
    } else if (bytes == "send") {
      for (const auto& segment : body->segments()) self.out.append(body, segment);
    }
  };
  return d;
}

TEST_CASE("STARTTLS: clear output leaves first, then the handshake, then 10 MB to the client") {
  const test::Certificate certificate;
  const BodyPtr body = ten_megabytes();
  Net net;
  net.serve([&] { return starttls_server(body); }, certificate.server());
  auto dialog = std::make_unique<TestDialog>();
  const auto seen = dialog->seen;
  std::string clear;
  dialog->bytes = [&](TestDialog& d, std::string_view) {
    if (d.seen->tls == 0 && d.seen->bytes == "220 ") d.out.append("starttls");
    if (d.seen->tls == 0 && d.seen->bytes == "220 go") {
      clear = std::exchange(d.seen->bytes, {});
      d.want = Want::tls_handshake;
    }
  };
  dialog->tls = [](TestDialog& d) { d.out.append("send"); };
  net.connect(std::move(dialog), test::client_context());
  net.run_until([&] { return seen->bytes.size() == body->size(); });
  CHECK(clear == "220 go");
  CHECK(seen->tls == 1);
  CHECK(seen->bytes == body->flatten());
}

TEST_CASE("a handshake that fails is tls_failed on both sides, with a reason") {
  const test::Certificate certificate;
  Net net;
  std::shared_ptr<TestDialog::Seen> served;
  net.serve(
      [&] {
        auto d = std::make_unique<TestDialog>();
        served = d->seen;
        return d;
      },
      certificate.server(), true);
  auto dialog = std::make_unique<TestDialog>();
  const auto seen = dialog->seen;
  dialog->opened = [](TestDialog& d) { d.want = Want::tls_handshake; };
  net.connect(std::move(dialog), test::client_context(), {}, {wire::TlsLevel::verify});  // does not trust it
  net.run_until([&] { return served && !served->closed.empty() && !seen->closed.empty(); });
  CHECK(seen->closed[0].why == Closed::Why::tls_failed);
  CHECK(seen->closed[0].detail.find("certificate") != std::string::npos);
  CHECK(seen->tls == 0);
}

TEST_CASE("what is not TLS where a handshake is due") {
  const test::Certificate certificate;
  Net net;
  std::shared_ptr<TestDialog::Seen> served;
  net.serve(
      [&] {
        auto d = std::make_unique<TestDialog>();
        served = d->seen;
        return d;
      },
      certificate.server(), true);
  SUBCASE("garbage") {
    const Socket client = net.raw_client();
    REQUIRE(::send(client.get(), "EHLO mail.example\r\n", 19, 0) == 19);
    net.run_until([&] { return served && !served->closed.empty(); });
  }
  SUBCASE("the end") {
    const Socket client = net.raw_client();
    REQUIRE(::shutdown(client.get(), SHUT_WR) == 0);
    net.run_until([&] { return served && !served->closed.empty(); });
  }
  CHECK(served->closed[0].why == Closed::Why::tls_failed);
  CHECK_FALSE(served->closed[0].detail.empty());
  CHECK_FALSE(served->opened);
}

TEST_CASE("a handshake that does not go on is ended") {
  const test::Certificate certificate;
  SessionLimits limits;
  limits.handshake_timeout = std::chrono::milliseconds(20);
  Net net(limits);
  std::shared_ptr<TestDialog::Seen> served;
  net.serve(
      [&] {
        auto d = std::make_unique<TestDialog>();
        served = d->seen;
        return d;
      },
      certificate.server(), true);
  const Socket client = net.raw_client();
  net.run_until([&] { return served && !served->closed.empty(); });
  CHECK(served->closed[0].why == Closed::Why::tls_failed);
  CHECK(served->closed[0].detail == "the handshake was not done within 1 s");
}

TEST_CASE("a dialog that asks for TLS where there is none is told so") {
  Net net;
  std::shared_ptr<TestDialog::Seen> served;
  net.serve([&] {
    auto d = std::make_unique<TestDialog>();
    d->want = Want::tls_handshake;
    served = d->seen;
    return d;
  });
  const Socket client = net.raw_client();
  net.run_until([&] { return served && !served->closed.empty(); });
  CHECK(served->closed[0].why == Closed::Why::tls_failed);
  CHECK(served->closed[0].detail == "TLS is not set up here");
}

TEST_CASE("under TLS too, what comes while the dialog is on hold waits") {
  const test::Certificate certificate;
  Net net;
  std::shared_ptr<TestDialog::Seen> served;
  net.serve(
      [&] {
        auto d = std::make_unique<TestDialog>();
        served = d->seen;
        // On hold from the start: the client's first data may arrive with the end of its handshake.
        d->opened = [](TestDialog& self) { self.want = Want::hold; };
        return d;
      },
      certificate.server(), true);
  auto dialog = std::make_unique<TestDialog>();
  const auto seen = dialog->seen;
  dialog->opened = [](TestDialog& d) { d.want = Want::tls_handshake; };
  dialog->tls = [](TestDialog& d) { d.out.append("early"); };
  dialog->sent = [](TestDialog& d) { d.want = Want::close; };
  net.connect(std::move(dialog), test::client_context());
  net.run_until([&] { return seen->destroyed && served && served->opened; });
  bool later = false;
  net.loop.at(net.loop.now() + std::chrono::milliseconds(20), [&] { later = true; });
  net.run_until([&] { return later; });
  CHECK(served->bytes.empty());
  static_cast<TestDialog*>(net.table.dialog(net.accepted[0]))->want = Want::bytes;
  net.table.kick(net.accepted[0]);
  net.run_until([&] { return !served->closed.empty(); });
  CHECK(served->bytes == "early");
  CHECK(served->closed[0].why == Closed::Why::end_of_file);
}

}  // namespace
}  // namespace relay::net
