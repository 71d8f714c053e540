// The description of the API (OpenAPI 3.1): relay-api/openapi.json, put into the program when it is built.
#pragma once
#include <string_view>

namespace relay::api {

std::string_view openapi_json();

}  // namespace relay::api
