// The demo's API key: a file with the key alone in it, mode 0600, made on first use. Before any loop runs.
#pragma once
#include <string>

#include "mta/base/result.h"
#include "spool/store.h"

namespace relay {

// Leaves a good key as it is. A missing or unknown one is replaced by a new one of account "demo", written to
// the store first, so that no file ever names a key that is not good.
Result<void> ensure_demo_key(const std::string& file, spool::Store& store);

}  // namespace relay
