// A host that runs the product's own ServerDialog, as relayctl's sink does.
#pragma once
#include <memory>

#include "tests/sim/sim_host.h"

namespace relay::sim {

std::unique_ptr<HostSession> connect_real(SimHost& host);

}  // namespace relay::sim
