// relayd: the command line; see relayd(8).
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "conf/loader.h"
#include "mta/base/log.h"
#include "mta/main/program.h"

int main(int argc, char** argv) {
  std::string config_file = "/etc/relay/relay.yaml";
  bool check_only = false;
  relay::ProgramOptions options;
  options.version = RELAY_VERSION;

  CLI::App app("The relay: an SMTP relay server with an HTTP side.", "relayd");
  app.add_option("--config", config_file, "The configuration file")->capture_default_str();
  app.add_flag("--check-config", check_only, "Say what is wrong with the configuration, and exit");
  app.add_option("--demo-key", options.demo_key_file,
                 "Keep an API key of account demo in this file; make it if it is missing");
  app.set_version_flag("--version", std::string("relayd ") + RELAY_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  auto config = relay::conf::load_file(config_file);
  if (!config) {
    for (const auto& line : config.error()) std::fputs((line + "\n").c_str(), stderr);
    return 1;
  }
  if (check_only) {
    if (auto files = relay::check_files(*config); !files) {
      std::fputs(fmt::format("{}: {}\n", config_file, files.error().message).c_str(), stderr);
      return 1;
    }
    std::fputs(fmt::format("{} is good\n", config_file).c_str(), stdout);
    return 0;
  }
  relay::log::open_log(config->log);
  return relay::run_program(*config, options);
}
