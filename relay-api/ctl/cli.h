// The command line of relayctl: from words to one command, and its exit code.
#pragma once
#include <functional>
#include <iosfwd>
#include <string>

#include "mta/sink/sink.h"
#include "relay-api/ctl/client.h"
#include "relay-api/ctl/session.h"

namespace relay::ctl {

// What the program finds around itself; tests bring their own.
struct Environment {
  std::function<Transport(const std::string& socket)> connect;  // socket: as given by --socket, or empty
  std::function<int(const sink::SinkOptions&)> run_sink;
  std::ostream& out;
  std::ostream& err;
  std::size_t width = 0;
  WallTime now;
  std::istream* in = nullptr;
  bool progress = false;  // standard error is a terminal
  std::function<Instant()> clock = {};
  std::function<Result<std::string>(const std::string& file)> configured_spool = {};  // see Session
  std::string version = {};                                                           // of the program
};

int run(int argc, const char* const* argv, const Environment& environment);

}  // namespace relay::ctl
