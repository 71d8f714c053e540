// A dialog that does what a test tells it, and a table of sessions on a real loop over loopback sockets.
#pragma once
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mta/net/listener.h"
#include "mta/net/session.h"
#include "mta/net/socket.h"

namespace relay::net::test {

using wire::Closed;
using wire::Want;

class TestDialog final : public wire::Dialog {
 public:
  // What happened, kept beyond the dialog's life.
  struct Seen {
    bool opened = false;
    bool opened_with_tls = false;
    wire::PeerInfo peer;
    int tls = 0;
    int timeouts = 0;
    int sent = 0;
    std::string bytes;
    std::vector<Closed> closed;
    bool destroyed = false;
  };
  using OnBytes = std::function<void(TestDialog&, std::string_view)>;
  using OnEvent = std::function<void(TestDialog&)>;

  std::shared_ptr<Seen> seen = std::make_shared<Seen>();
  wire::Output out;
  Want want = Want::bytes;
  Instant limit = never;
  OnEvent opened, tls, sent, timed_out;
  OnBytes bytes;

  ~TestDialog() override { seen->destroyed = true; }
  void on_open(const wire::PeerInfo& peer, const wire::TlsInfo* info, Instant) override {
    seen->opened = true;
    seen->peer = peer;
    seen->opened_with_tls = info != nullptr;
    if (opened) opened(*this);
  }
  void on_tls(const wire::TlsInfo& info, Instant) override {
    ++seen->tls;
    CHECK_FALSE(info.version.empty());
    want = Want::bytes;
    if (tls) tls(*this);
  }
  void on_bytes(std::string_view b, Instant) override {
    seen->bytes += b;
    if (bytes) bytes(*this, b);
  }
  void on_timeout(Instant) override {
    ++seen->timeouts;
    if (timed_out) timed_out(*this);
  }
  void on_closed(const Closed& why, Instant) override { seen->closed.push_back(why); }
  void on_sent(Instant) override {
    ++seen->sent;
    if (sent) sent(*this);
  }
  wire::Output& output() override { return out; }
  Want wants() const override { return want; }
  Instant deadline() const override { return limit; }
};

inline void echo(TestDialog& dialog, std::string_view bytes) { dialog.out.append(bytes); }

class Net {
 public:
  explicit Net(SessionLimits limits = {}) : table(loop, limits) {
    loop.at(loop.now() + std::chrono::seconds(60), [this] { late_ = true; });
  }

  UvLoop loop;
  SessionTable table;
  std::unique_ptr<Listener> listener;
  std::vector<SessionId> accepted;

  // Every connection gets the dialog that `make` returns.
  void serve(std::function<std::unique_ptr<TestDialog>()> make, std::shared_ptr<TlsContext> tls = nullptr,
             bool implicit = false, const std::string& address = "127.0.0.1",
             std::function<void(SessionId)> progress = {}) {
    auto made = Listener::tcp(loop, address, 0, [=, this](int fd, const wire::PeerInfo& peer) {
      accepted.push_back(table.adopt({.fd = fd, .peer = peer}, make(), tls, implicit, [=](SessionId id) {
        if (progress) progress(id);
      }));
    });
    REQUIRE(made);
    listener = std::move(*made);
    address_ = address;
  }
  SessionId connect(std::unique_ptr<TestDialog> dialog, std::shared_ptr<TlsContext> tls = nullptr,
                    std::function<void(SessionId)> progress = {}, wire::TlsPolicy policy = {}) {
    return table.connect(
        {"mail.example", address_, listener->port()}, std::move(dialog), std::move(tls),
        [=](SessionId id) {
          if (progress) progress(id);
        },
        std::move(policy));
  }
  // A client that is a bare socket, blocking, connected.
  Socket raw_client() {
    const auto address = parse_address(address_, listener->port());
    REQUIRE(address);
    Socket socket(::socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(socket.get(), address->get(), address->size) == 0);
    return socket;
  }
  template <class Condition>
  void run_until(Condition condition) {
    while (!condition()) {
      REQUIRE_FALSE_MESSAGE(late_, "the condition was not met in time");
      uv_run(loop.raw(), UV_RUN_ONCE);
    }
  }

 private:
  std::string address_;
  bool late_ = false;
};

}  // namespace relay::net::test
