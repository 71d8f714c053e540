// What the handlers of the administration door share.
#pragma once
#include <expected>
#include <string_view>

#include "relay-api/router.h"

namespace relay::api {

// Any account's message; 404 if there is none.
std::expected<spool::MessageView, Problem> find_message(Service& service, std::string_view id_text);

}  // namespace relay::api
