// Attachments of a request: decoded, with their sizes and names checked. Pure.
#pragma once
#include <vector>

#include "mta/mime/compose.h"
#include "relay-api/fields.h"
#include "relay-api/settings.h"

namespace relay::api {

std::vector<mime::Attachment> read_attachments(Fields& fields, const ApiSettings& settings);

}  // namespace relay::api
