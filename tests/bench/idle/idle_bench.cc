// What idle sessions cost: memory and processor time of a real relayd with many SMTP clients that say
// nothing, before TLS and after STARTTLS.
//
//   cmake --build --preset release --target bench_idle && build/release/bin/bench_idle
//
// relayd is taken from the folder of this program; openssl(1) makes the certificate. It exits with 1 if a
// session costs more than the goals below.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include "mta/net/socket.h"
#include "mta/net/tls.h"
#include "tests/bench/start/child.h"

namespace {

using namespace relay;
using namespace relay::bench;
namespace fs = std::filesystem;

struct Options {
  std::string directory = "/var/tmp/relay-bench-idle";
  std::size_t sessions = 10'000;
  int seconds = 10;
  std::uint16_t port = 28135;
};

constexpr double most_plain_kib = 20, most_tls_kib = 100;
constexpr double most_cpu_share = 0.02;  // of one core, for all of them

std::string write_config(const Options& options) {
  const fs::path dir = options.directory;
  fs::remove_all(dir);
  fs::create_directories(dir);
  const std::string certificate = (dir / "cert.pem").string(), key = (dir / "key.pem").string();
  const std::string command =
      "openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=localhost -keyout " + key + " -out " +
      certificate + " 2> /dev/null";
  if (std::system(command.c_str()) != 0) give_up("openssl makes no certificate");
  std::ofstream config(dir / "relay.yaml");
  config
      << "host_name: relay.test\nloops: 2\nlog: {level: info}\ntls: {certificate: cert.pem, key: key.pem}\n"
      << "submission:\n  listen: [{address: 127.0.0.1, port: " << options.port
      << "}]\n  connections: " << 2 * options.sessions << "\n  connections_per_address: 0\n"
      << "admin: {socket: relay.sock}\nspool: {directory: spool}\n";
  return dir / "relay.yaml";
}

class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const auto at = net::parse_address("127.0.0.1", port);
    if (::connect(socket_.get(), at->get(), at->size) != 0) give_up("no connection");
    hear("220 ");
  }
  void start_tls(const std::shared_ptr<net::TlsContext>& context) {
    say("EHLO client.test\r\n");
    hear("250 ");
    say("STARTTLS\r\n");
    hear("220 ");
    auto engine = net::TlsEngine::make_client(context, {"localhost"}, Instant());
    std::string plain;
    say(engine->to_wire());
    bool asked = false;
    while (plain.find("\r\n250 ") == std::string::npos) {
      const std::string got = receive();
      if (!engine->feed(got)) give_up("the handshake failed");
      if (engine->established() && !std::exchange(asked, true)) (void)engine->write("EHLO client.test\r\n");
      say(engine->to_wire());
      plain += engine->plain();
    }
  }  // the socket stays open; what the client knew of the session is not needed any more

 private:
  void say(const std::string& text) {
    if (::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size()))
      give_up("the relay has left");
  }
  std::string receive() {
    char buffer[16 * 1024];
    const ssize_t n = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    if (n <= 0) give_up("the relay has closed the connection");
    return {buffer, static_cast<std::size_t>(n)};
  }
  void hear(const std::string& last_line) {
    std::string text;
    while (!text.ends_with("\n") || text.rfind('\n' + last_line) == std::string::npos) {
      if (text.empty()) text = "\n";
      text += receive();
    }
  }
  net::Socket socket_;
};

// True if the goal is met.
bool measure(const Options& options, const fs::path& bin, const std::string& config, bool tls) {
  Child relay({bin / "relayd", "--config", config});
  relay.wait_for("ready");
  const auto context = std::move(net::TlsContext::client()).value();
  const auto open = [&](std::vector<Client>& clients, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      clients.emplace_back(options.port);
      if (tls) clients.back().start_tls(context);
    }
  };
  std::vector<Client> clients;
  open(clients, 10);  // what is paid once
  const double before = relay.memory().anonymous, cpu_before = relay.cpu();
  open(clients, options.sessions);
  const double kib = (relay.memory().anonymous - before) * 1024 / static_cast<double>(options.sessions);
  const double opening = relay.cpu() - cpu_before;
  const double idle_before = relay.cpu();
  std::this_thread::sleep_for(std::chrono::seconds(options.seconds));
  const double idle = (relay.cpu() - idle_before) / options.seconds;
  std::printf("%zu sessions %s: %.1f KiB each; %.0f us of processor each to open; then %.2f %% of a core\n",
              options.sessions, tls ? "after STARTTLS" : "before TLS", kib,
              opening * 1e6 / static_cast<double>(options.sessions), idle * 100);
  std::fflush(stdout);
  clients.clear();
  relay.stop();
  return kib <= (tls ? most_tls_kib : most_plain_kib) && idle <= most_cpu_share;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("What idle sessions cost relayd");
  app.add_option("--directory", options.directory, "a directory of its own, emptied first");
  app.add_option("--sessions", options.sessions, "clients that say nothing");
  app.add_option("--seconds", options.seconds, "how long they are watched");
  CLI11_PARSE(app, argc, argv);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const fs::path bin = fs::canonical("/proc/self/exe").parent_path();
  const std::string config = write_config(options);
  const bool plain = measure(options, bin, config, false), tls = measure(options, bin, config, true);
  fs::remove_all(options.directory);
  return plain && tls ? 0 : 1;
}
