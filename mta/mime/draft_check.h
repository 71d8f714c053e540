// What a draft may hold. Pure. See compose.h for what an error looks like.
#pragma once
#include "mta/mime/compose.h"

namespace relay::mime {

Result<void> check_draft(const Draft& draft);

}  // namespace relay::mime
