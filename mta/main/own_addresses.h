// The addresses under which mail comes to this relay: those its SMTP listeners have. A listener for every
// interface (0.0.0.0, ::) has all that this machine has at the moment.
#pragma once
#include <string>
#include <vector>

#include "conf/config.h"

namespace relay {

// In their usual text, each once.
std::vector<std::string> own_addresses(const conf::Config& config);

}  // namespace relay
