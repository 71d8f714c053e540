// What anyone may ask at either door: whether the relay lives, and what its API is.
#include "relay-api/openapi.h"
#include "relay-api/router.h"

namespace relay::api {
namespace {

void healthz(Service&, Call call) { call.answer->json(200, R"({"status":"ok"})"); }

void openapi(Service&, Call call) { call.answer->json(200, std::string(openapi_json())); }

constexpr Route routes[] = {
    {"GET", "/healthz", Access::open, healthz},
    {"GET", "/openapi.json", Access::open, openapi},
};

}  // namespace

std::span<const Route> system_routes() { return routes; }

}  // namespace relay::api
