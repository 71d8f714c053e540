// GMime wants to be initialised once a process. Thread-safe; every function of this folder that calls GMime
// calls this first.
#pragma once

namespace relay::mime {

void init_gmime();

}  // namespace relay::mime
