// What may be asked at either door: whether the relay lives, what its API is, and its metrics.
#include "relay-api/openapi.h"
#include "relay-api/query.h"
#include "relay-api/router.h"

namespace relay::api {
namespace {

void healthz(Service&, Call call) { call.answer->json(200, R"({"status":"ok"})"); }

void openapi(Service&, Call call) { call.answer->json(200, std::string(openapi_json())); }

void metrics(Service& service, Call call) {
  Query query(call.request.query);
  if (const auto problem = query.finish()) return call.answer->problem(*problem);
  if (service.ports.metrics == nullptr)
    return call.answer->problem({404, "not_found", "This relay has no metrics.", {}, {}});
  service.ports.metrics->scrape(service.ports.loop, [answer = std::move(call.answer)](std::string page) {
    answer->raw({200, {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}}, std::move(page)});
  });
}

constexpr Route routes[] = {
    {"GET", "/healthz", Access::open, healthz},
    {"GET", "/metrics", Access::monitor, metrics},
    {"GET", "/openapi.json", Access::open, openapi},
};

}  // namespace

std::span<const Route> system_routes() { return routes; }

}  // namespace relay::api
