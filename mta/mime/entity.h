// The MIME entity of a draft: its parts as a tree, encoded, from the first Content- field to the last
// boundary. By GMime. Needs a draft that check_draft has passed.
#pragma once
#include <string>

#include "mta/base/result.h"
#include "mta/mime/compose.h"

namespace relay::mime {

// `boundary_seed`: what boundaries are derived from, beside the texts; one seed gives the same bytes again.
Result<std::string> write_entity(const Draft& draft, const std::string& boundary_seed);

// For check_draft: "type/subtype" and parameters that GMime understands.
bool valid_content_type(const std::string& value);

}  // namespace relay::mime
