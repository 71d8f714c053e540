// The keys of relay.yaml: which field each sets, in what range; and what settings must satisfy together. For
// conf/loader.cc.
#pragma once
#include "conf/config.h"
#include "conf/reader.h"

namespace relay::conf {

void read_settings(Document& document, Config& config);
void check_together(Document& document, const Config& config);

}  // namespace relay::conf
