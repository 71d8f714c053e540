// The words of relayctl spool …
#pragma once
#include <CLI/CLI.hpp>
#include <functional>

#include "relay-api/ctl/session.h"

namespace relay::ctl {

// Adds them to `app`; `command` becomes what was asked for.
void add_spool(CLI::App& app, std::function<int(Session&)>& command);

}  // namespace relay::ctl
