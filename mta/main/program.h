// Program: relayd, from a configuration to its end. The whole relay is built here, each object once, in
// order.
//
// run_program() returns the process's exit code: 0 after SIGINT or SIGTERM, 1 if it could not start (what was
// wrong is logged in one sentence). It takes over the process's signals; call it before any thread exists. A
// second signal ends the process at once: what was acknowledged is in the spool.
#pragma once
#include <string>

#include "conf/config.h"
#include "mta/base/result.h"

namespace relay {

struct ProgramOptions {
  std::string demo_key_file;  // where the key of account "demo" is kept; made if missing or no longer good
  std::string version;
};

// What --check-config looks at beside the text: the files that a start needs.
Result<void> check_files(const conf::Config& config);

int run_program(const conf::Config& config, const ProgramOptions& options);

}  // namespace relay
