// relayctl: see man/relayctl.1.
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>

#include "conf/loader.h"
#include "relay-api/ctl/cli.h"

namespace {

// Of the terminal that standard output is; 0 for a file or a pipe, which get whole lines.
std::size_t terminal_width() {
  winsize size{};
  if (isatty(STDOUT_FILENO) == 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

relay::ctl::Transport connect(const std::string& given) {
  auto client =
      std::make_shared<relay::ctl::Client>(relay::ctl::socket_path(given, std::getenv("RELAY_SOCKET")));
  return [client](const auto& method, const auto& path, const auto& body) {
    return client->call(method, path, body);
  };
}

relay::Result<std::string> configured_spool(const std::string& file) {
  auto config = relay::conf::load_file(file);
  if (!config) return relay::fail(relay::Errc::invalid, config.error().front());
  return config->spool.directory;
}

}  // namespace

int main(int argc, char** argv) try {
  return relay::ctl::run(
      argc, argv,
      {connect, relay::sink::run_sink, std::cout, std::cerr, terminal_width(), relay::system_wall(),
       &std::cin, isatty(STDERR_FILENO) != 0, relay::system_now, configured_spool, RELAY_VERSION});
} catch (const std::exception& error) {
  std::cerr << "relayctl: " << error.what() << "\n";
  return relay::ctl::exit_refused;
}
