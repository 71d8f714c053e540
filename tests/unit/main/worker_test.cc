// One worker with everything on it, on real sockets of loopback: it serves, and it ends whatever its peers
// do.
#include "mta/main/worker.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <thread>

#include "tests/unit/main/temporary.h"

using namespace relay;

namespace {

// A blocking TCP socket; listening on any port, or connected to one.
class Tcp {
 public:
  static Tcp listening() {
    Tcp t;
    sockaddr_in at = loopback(0);
    REQUIRE(::bind(t.fd_, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    REQUIRE(::listen(t.fd_, 8) == 0);
    return t;
  }
  static Tcp to(std::uint16_t port) {
    Tcp t;
    sockaddr_in at = loopback(port);
    REQUIRE(::connect(t.fd_, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    return t;
  }
  static Tcp to_path(const std::string& path) {
    Tcp t(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof at.sun_path);
    path.copy(at.sun_path, path.size());
    REQUIRE(::connect(t.fd_, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    return t;
  }
  Tcp(Tcp&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Tcp& operator=(Tcp&&) = delete;
  ~Tcp() {
    if (fd_ >= 0) ::close(fd_);
  }
  std::uint16_t port() const {
    sockaddr_in at{};
    socklen_t size = sizeof at;
    REQUIRE(::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size) == 0);
    return ntohs(at.sin_port);
  }
  Tcp accepted() const { return Tcp(::accept(fd_, nullptr, nullptr)); }
  void send(const std::string& text) const {
    REQUIRE(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
  }
  // Until `end` has come or the peer has closed.
  std::string read(const std::string& end) const {
    std::string all;
    char buffer[4096];
    while (all.find(end) == std::string::npos) {
      const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
      if (n <= 0) break;
      all.append(buffer, static_cast<std::size_t>(n));
    }
    return all;
  }

 private:
  Tcp() : Tcp(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  explicit Tcp(int fd) : fd_(fd) { REQUIRE(fd_ >= 0); }
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(port);
    return at;
  }
  int fd_;
};

std::uint16_t free_port() { return Tcp::listening().port(); }

// The process but for signals, with one worker; `host` is where all mail goes.
struct Relay {
  test::TemporaryDirectory dir;
  conf::Config config;
  net::UvLoop loop;
  std::unique_ptr<spool::Store> store;
  std::unique_ptr<spool::InFlight> in_flight;
  std::unique_ptr<spool::ThreadWriter> writer;
  std::unique_ptr<spool::ThreadLoader> loader;
  std::unique_ptr<intake::KeyRing> keys;
  std::unique_ptr<queue::Router> router;
  std::unique_ptr<queue::Dispatcher> dispatcher;
  std::unique_ptr<intake::Intake> intake;
  intake::AuthGuard guard{{}};
  intake::Inbound inbound{{}};
  Admission inbound_places{{}};
  std::unique_ptr<Monitor> monitor;
  std::unique_ptr<TlsListeners> tls;
  std::unique_ptr<Admission> smtp_places, http_places;
  std::unique_ptr<Worker> worker;
  std::thread thread;

  explicit Relay(std::uint16_t host, std::uint32_t connections = 100, std::uint32_t per_address = 100,
                 Duration pressed_timeout = std::chrono::seconds(10)) {
    config.submission.connections.sessions = config.http.connections.sessions = connections;
    config.submission.connections.per_address = per_address;
    config.submission.limits.pressed_timeout = pressed_timeout;
    config.host_name = "relay.test";
    config.intake.host_name = config.api.host_name = config.delivery.client.ehlo_name = config.host_name;
    config.spool = {
        .directory = dir.path + "/spool", .map_bytes = 64u << 20, .durability = spool::Durability::none};
    config.admin_socket = dir.path + "/sock";
    config.submission.listeners = {{"127.0.0.1", free_port(), conf::SubmissionListener::Tls::starttls}};
    config.http.listeners = {{"127.0.0.1", free_port(), false}};
    config.routes = {{.pattern = "*", .to = queue::HostPort{"127.0.0.1", host}}};
    store = std::move(spool::open_lmdb(config.spool)).value();
    in_flight = std::make_unique<spool::InFlight>(config.spool.directory, config.in_flight);
    writer = std::make_unique<spool::ThreadWriter>(*store, config.writer, in_flight.get());
    loader = std::make_unique<spool::ThreadLoader>(*store, config.loader);
    keys = std::move(intake::KeyRing::load(*store, *writer)).value();
    router = std::make_unique<queue::Router>(config.routes);
    dispatcher = std::make_unique<queue::Dispatcher>(*router);
    intake = std::make_unique<intake::Intake>(config.intake, *writer, *store, *dispatcher, *keys);
    smtp_places = std::make_unique<Admission>(config.submission.connections);
    monitor = std::make_unique<Monitor>(Monitor::Ports{*store, *writer, *in_flight, *intake, inbound,
                                                       *dispatcher, guard, *smtp_places, inbound_places},
                                        Monitor::Facts{"1.2.3", system_wall(), config.spool.durability, 7});
    tls = std::move(TlsListeners::make(config, system_wall(), system_now())).value();
    http_places = std::make_unique<Admission>(config.http.connections);
    worker = std::move(Worker::make({config,
                                     *store,
                                     *writer,
                                     *loader,
                                     *in_flight,
                                     *keys,
                                     *router,
                                     *dispatcher,
                                     *intake,
                                     inbound,
                                     guard,
                                     *monitor,
                                     *tls,
                                     std::move(net::TlsContext::client()).value(),
                                     1,
                                     {},
                                     *smtp_places,
                                     inbound_places,
                                     *http_places},
                                    loop))
                 .value();
    dispatcher->add(loop, worker->scheduler());
    const auto listening = worker->listen(true);
    REQUIRE_MESSAGE(listening.has_value(), (listening ? "" : listening.error().message));
    thread = std::thread([this] { worker->run(); });
  }
  ~Relay() {
    if (thread.joinable()) end(Duration::zero());
  }
  void end(Duration grace) {
    worker->finish(grace);
    thread.join();
  }
  std::uint16_t smtp() const { return config.submission.listeners[0].port; }
  std::uint16_t http() const { return config.http.listeners[0].port; }

  std::string make_key() {
    std::promise<std::string> made;
    auto text = made.get_future();
    SystemRng rng;
    loop.post([&] {
      keys->create(AccountId{"a"}, "test", {}, loop, rng, [&](Result<intake::KeyRing::Created> created) {
        made.set_value(created ? std::string(created->text.reveal()) : "");
      });
    });
    return text.get();
  }
};

std::string post(const std::string& key, const std::string& body) {
  return "POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

const std::string message = R"({"from":"a@example.org","to":"b@example.net","subject":"s","text":"t"})";

}  // namespace

TEST_CASE("a worker ends though clients say nothing, are half way, or have asked for nothing more") {
  const Tcp host = Tcp::listening();
  Relay relay(host.port());
  const Tcp silent = Tcp::to(relay.smtp());
  CHECK(silent.read("\r\n") == "220 relay.test ESMTP ready\r\n");
  const Tcp half = Tcp::to(relay.http());
  half.send("POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{");
  const Tcp kept = Tcp::to(relay.http());
  kept.send("GET /v1/messages HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(kept.read("\r\n").starts_with("HTTP/1.1 401 "));
  relay.end(Duration::zero());
}

TEST_CASE("idle clients are told 421 and are not waited for") {
  const Tcp host = Tcp::listening();
  Relay relay(host.port());
  const Tcp idle = Tcp::to(relay.smtp());
  idle.read("\r\n");
  relay.end(std::chrono::minutes(10));  // a test that waits for it is ended by ctest
  CHECK(idle.read("\r\n").starts_with("421 "));
}

TEST_CASE("connections over the limit are turned away in the protocol's words, the administrator never") {
  const Tcp host = Tcp::listening();
  Relay relay(host.port(), 1);
  const Tcp smtp = Tcp::to(relay.smtp()), http = Tcp::to(relay.http());
  smtp.read("\r\n");
  http.send("GET /v1/messages HTTP/1.1\r\nHost: x\r\n\r\n");
  http.read("\r\n");
  CHECK(Tcp::to(relay.smtp()).read("\r\n").starts_with("421 4.3.2 "));
  CHECK(Tcp::to(relay.http()).read("\r\n").starts_with("HTTP/1.1 503 "));
  const Tcp admin = Tcp::to_path(relay.config.admin_socket);
  admin.send("GET /admin/v1/messages HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(admin.read("\r\n").starts_with("HTTP/1.1 200 "));
}

TEST_CASE("one address may not take every place, and has them again when its sessions end") {
  const Tcp host = Tcp::listening();
  Relay relay(host.port(), 100, 2);
  const Tcp first = Tcp::to(relay.smtp());
  first.read("\r\n");
  {
    const Tcp second = Tcp::to(relay.smtp());
    CHECK(second.read("\r\n").starts_with("220 "));
    CHECK(Tcp::to(relay.smtp())
              .read("\r\n")
              .starts_with("421 4.7.0 relay.test Too many connections from your"));
    second.send("QUIT\r\n");
    second.read("221 2.0.0");
  }
  std::string greeting;  // the place is free once the server has seen the end
  while (!greeting.starts_with("220 ")) greeting = Tcp::to(relay.smtp()).read("\r\n");
}

TEST_CASE("when places are nearly taken, who says nothing is waited for no longer") {
  const Tcp host = Tcp::listening();
  Relay relay(host.port(), 10, 100, std::chrono::milliseconds(50));
  std::vector<Tcp> idle;
  for (int i = 0; i < 10; ++i) {  // the tenth presses
    idle.push_back(Tcp::to(relay.smtp()));
    CHECK(idle.back().read("\r\n").starts_with("220 "));
  }
  for (const Tcp& client : idle) CHECK(client.read("\r\n").starts_with("421 4.4.2 "));
}

TEST_CASE(
    "pipelined requests are answered in order, and a message accepted outlives a host that never greets") {
  const Tcp host = Tcp::listening();
  Relay relay(host.port());
  const std::string key = relay.make_key();
  REQUIRE(!key.empty());
  const Tcp client = Tcp::to(relay.http());
  client.send(post(key, message) + post("wrong", message) + post(key, message));
  std::string answers;
  while (std::ranges::count(answers, '{') < 3) {
    const std::string more = client.read("}");
    if (more.empty()) break;
    answers += more;
  }
  const std::size_t first = answers.find("HTTP/1.1 202"), refused = answers.find("HTTP/1.1 401"),
                    last = answers.rfind("HTTP/1.1 202");
  CAPTURE(answers);
  REQUIRE(last != std::string::npos);
  CHECK(first < refused);
  CHECK(refused < last);
  const Tcp dialled = host.accepted();
  relay.end(Duration::zero());
  CHECK(relay.store->counts()->queued == 2);
}

TEST_CASE("a scrape tells of every part, on the Unix socket and to loopback") {
  const Tcp host = Tcp::listening();
  Relay relay(host.port());
  const Tcp smtp = Tcp::to(relay.smtp());
  smtp.read("\r\n");
  const Tcp http = Tcp::to(relay.http());
  const Tcp admin = Tcp::to_path(relay.config.admin_socket);
  for (const Tcp* client : {&http, &admin}) {
    client->send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string page = client->read("{protocol=\"http\",reason=\"stopping\"} 0\n");
    CAPTURE(page);
    CHECK(page.starts_with("HTTP/1.1 200 "));
    for (const std::string_view line :
         {"relay_build_info{version=\"1.2.3\"} 1\n", "relay_spool_possible_repeats_total 7\n",
          "relay_sessions_open{protocol=\"smtp\"} 1\n", "relay_spool_durability{mode=\"none\"} 1\n",
          "relay_queue_recipients{place=\"waiting\"} 0\n", "\nrelay_spool_file_bytes "})
      CHECK(page.find(line) != std::string::npos);
  }
}
