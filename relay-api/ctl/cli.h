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
};

int run(int argc, const char* const* argv, const Environment& environment);

}  // namespace relay::ctl
