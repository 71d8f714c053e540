// The table of ClientDialog's stages: each one's timeout and the phrase the log has for it. Pure.
#pragma once
#include "mta/wire/client_dialog.h"

namespace relay::wire {

Duration timeout_of(Stage stage, const ClientTimeouts& timeouts);

}  // namespace relay::wire
