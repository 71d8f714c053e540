// What a million queued recipients cost: a real start of relayd with them, its memory, what an administrator
// waits for, the stop, and how fast fresh mail is delivered beside an empty queue in the same run.
//
//   cmake --build --preset release --target bench_start && build/release/bin/bench_start
//
// relayd and the sink are taken from the folder of this program. It exits with 1 if a promise of README.md
// does not hold.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/bench/start/child.h"
#include "tests/bench/start/fill.h"
#include "tests/bench/start/http.h"
#include "tests/bench/start/load.h"

namespace {

using namespace relay::bench;
namespace fs = std::filesystem;

struct Options {
  Fill fill;
  std::string directory = "/var/tmp/relay-bench-start";
  std::uint64_t messages = 20'000;
  int rounds = 3;
  bool keep = false;
  bool fresh = false;
  std::uint16_t port = 28125, sink_port = 28126;
};

constexpr double most_seconds = 5, most_memory = 300, least_ratio = 0.9, most_stop = 5;

std::string write_config(const Options& options, const std::string& name) {
  const fs::path dir = fs::path(options.directory) / name;
  fs::create_directories(dir);
  std::ofstream config(dir / "relay.yaml");
  // The benchmark's connections are kept however many requests they make.
  config << "host_name: relay.test\nhttp: {listen: [{address: 127.0.0.1, port: " << options.port
         << "}], requests_per_connection: 1000000}\nadmin: {socket: relay.sock}\nspool: {directory: "
            "spool}\nroutes:\n";
  for (int i = 0; i < 4; ++i)
    config << "  - {match: s" << i << ".sink.example, to: \"127.0.0." << i + 1 << ":" << options.sink_port
           << "\"}\n";
  config << "  - {match: dead.example, to: \"127.0.0.9:1\"}\n";
  return dir / "relay.yaml";
}

class Bench {
 public:
  explicit Bench(Options options)
      : options_(std::move(options)), bin_(fs::read_symlink("/proc/self/exe").parent_path()) {}

  bool run() {
    if (!options_.keep) fs::remove_all(options_.directory);
    const std::string empty = write_config(options_, "empty"), full = write_config(options_, "full");
    make_spool("full", false);
    if (!options_.fresh) make_spool("empty", true);
    Child sink(
        {bin_ / "relayctl", "sink", "--quiet", "--listen", "0.0.0.0:" + std::to_string(options_.sink_port)});
    wait_until_accepting(options_.sink_port);
    for (int round = 1; round <= options_.rounds; ++round) {
      std::printf("round %d\n", round);
      const Rate alone = serve(empty, false, false);
      const Rate beside = serve(full, true, round == options_.rounds);
      ratios_.push_back(beside.a_second / alone.a_second);
      std::printf(
          "  fresh mail: %.0f/s with an empty queue, %.0f/s beside the full one: %.2f; "
          "processor time %.0f and %.0f us a message: %.2f\n",
          alone.a_second, beside.a_second, ratios_.back(), alone.cpu_us, beside.cpu_us,
          alone.cpu_us / beside.cpu_us);
    }
    std::ranges::sort(ratios_);
    const double ratio = ratios_[ratios_.size() / 2];
    require("fresh mail, middle ratio of the rounds", ratio, ratio >= least_ratio);
    if (!options_.keep) fs::remove_all(options_.directory);
    return good_;
  }

 private:
  void make_spool(const std::string& name, bool deliver) {
    Fill how = options_.fill;
    how.directory = (fs::path(options_.directory) / name / "spool").string();
    how.deliver = deliver;
    if (fs::exists(how.directory)) return;
    const auto filling = Steady::now();
    fill(how);
    std::printf("%s: filled with %llu recipients%s in %.1f s\n", name.c_str(),
                static_cast<unsigned long long>(how.recipients), deliver ? ", all delivered" : "",
                seconds_since(filling));
  }
  struct Rate {
    double a_second = 0, cpu_us = 0;
  };
  // The spool is not in memory when the relay starts, as after a boot. One that has just been filled is, in
  // runs of up to 2 MiB; a write of one page into such a run costs the kernel a walk over all its pages,
  // which no relay that filled its spool over days would see.
  static void forget_cached(const fs::path& file) {
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return;
    ::fsync(descriptor);
    ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
    ::close(descriptor);
  }

  Rate serve(const std::string& config, bool full, bool administrator) {
    const fs::path dir = fs::path(config).parent_path();
    forget_cached(dir / "spool" / "data.mdb");
    Child relay({bin_ / "relayd", "--config", config, "--demo-key", dir / "demo.key"});
    const double ready = relay.wait_for("ready");
    if (full) {
      const double all = relay.wait_for("still queued from before");
      const Memory memory = relay.memory();
      std::printf(
          "  start: %.2f s until it serves, %.2f s until all is in the queue (processor time so far %.2f s); "
          "memory %.0f MiB, of it %.0f MiB its own\n",
          ready, all, relay.cpu(), memory.resident, memory.anonymous);
      require("start, seconds", all, all < most_seconds);
      require("memory, MiB", memory.resident, memory.resident < most_memory);
    }
    std::string key;
    std::getline(std::ifstream(dir / "demo.key") >> std::ws, key);
    const std::string socket = dir / "relay.sock";
    if (full) settle(socket);
    deliver(
        {options_.port, socket, key, options_.messages / 4, 32});  // files, caches and connections warm up
    const double cpu = relay.cpu();
    Rate rate{deliver({options_.port, socket, key, options_.messages, 32}), 0};
    rate.cpu_us = (relay.cpu() - cpu) * 1e6 / static_cast<double>(options_.messages);
    if (administrator) administer(socket);
    if (full) {
      const Memory memory = relay.memory();
      std::printf("  memory after that: %.0f MiB, of it %.0f MiB its own\n", memory.resident,
                  memory.anonymous);
    }
    const double stopped = relay.stop();
    if (full) {
      std::printf("  stop: %.2f s\n", stopped);
      require("stop, seconds", stopped, stopped < most_stop);
    }
    return rate;
  }

  // Until what was due at the start has been delivered.
  void settle(const std::string& socket) {
    const auto start = Steady::now();
    const auto waiting = [&] {
      const auto stats = Http::local(socket).request("GET", "/admin/v1/stats").body;
      return number_in(stats, "in_flight") + (options_.fill.dead > 0 ? 0 : number_in(stats, "ready"));
    };
    while (waiting() > 0 && seconds_since(start) < 120)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    std::printf("  what was due is gone after %.2f s more\n", seconds_since(start));
  }

  void administer(const std::string& socket) {
    Http admin = Http::local(socket);
    const auto timed = [&](const char* what, const std::string& method, const std::string& target,
                           const std::string& body = {}) {
      Ping ping(options_.port);
      const auto start = Steady::now();
      const auto answer = admin.request(method, target, body);
      const double took = seconds_since(start);
      std::printf("  %-28s %7.0f ms; another request waited at most %.1f ms; %d %s\n", what, took * 1000,
                  ping.stop(), answer.status, method == "POST" ? answer.body.c_str() : "");
    };
    timed("queue list, one page", "GET", "/admin/v1/queue?limit=100");
    timed("queue list of one domain", "GET", "/admin/v1/queue?limit=100&domain=d1.waiting.example");
    timed("queue list of none", "GET", "/admin/v1/queue?limit=100&domain=none.example");
    timed("hold everything", "POST", "/admin/v1/queue/hold", R"({"all":true})");
    timed("release one domain", "POST", "/admin/v1/queue/release", R"({"domain":"d1.waiting.example"})");
    timed("hold everything again", "POST", "/admin/v1/queue/hold", R"({"all":true})");
  }

  void require(const char* what, double value, bool holds) {
    if (holds) return;
    std::printf("  NOT KEPT: %s: %.2f\n", what, value);
    good_ = false;
  }

  Options options_;
  const fs::path bin_;
  std::vector<double> ratios_;
  bool good_ = true;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("A million queued recipients: start, memory, fresh mail, stop.", "bench_start");
  app.add_option("--recipients", options.fill.recipients, "Queued")->capture_default_str();
  app.add_option("--domains", options.fill.domains, "They are in")->capture_default_str();
  app.add_option("--due", options.fill.due, "Of them due at the start")->capture_default_str();
  app.add_option("--dead", options.fill.dead, "Of them due at one host that is down")->capture_default_str();
  app.add_option("--messages", options.messages, "Fresh, each round")->capture_default_str();
  app.add_option("--rounds", options.rounds, "Of an empty and a full queue each")->capture_default_str();
  app.add_option("--directory", options.directory, "For spools of about 2 GiB; erased")
      ->capture_default_str();
  app.add_flag("--fresh", options.fresh,
               "Compare with a new spool, and not with one of the same history whose queue is empty");
  app.add_flag("--keep", options.keep, "Use the spools that are there, and leave them");
  CLI11_PARSE(app, argc, argv);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  return Bench(std::move(options)).run() ? 0 : 1;
}
