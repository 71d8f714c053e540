// What may be asked at either door: whether the relay lives and takes mail, what its API is, and its metrics.
#include "relay-api/openapi.h"
#include "relay-api/query.h"
#include "relay-api/router.h"

namespace relay::api {
namespace {

void healthz(Service&, Call call) { call.answer->json(200, R"({"status":"ok"})"); }

// For load balancers. Of the store's trouble only the kind: anybody may ask.
std::string_view trouble(spool::WriterState state) {
  switch (state) {
    case spool::WriterState::accepting: break;
    case spool::WriterState::busy: return "More mail waits for the disk than may wait.";
    case spool::WriterState::full: return "There is no room for new mail.";
    case spool::WriterState::unavailable: return "The storage cannot be written to now.";
    case spool::WriterState::damaged:
      return "The storage is damaged where new mail goes; it must be repaired.";
    case spool::WriterState::failed: return "The storage has failed; the relay must be restarted.";
  }
  return "";
}

void readyz(Service& service, Call call) {
  const spool::WriterState state = service.ports.writer.state();
  if (state == spool::WriterState::accepting) return call.answer->json(200, R"({"status":"ok"})");
  call.answer->problem({503,
                        state == spool::WriterState::busy   ? "overloaded"
                        : state == spool::WriterState::full ? "insufficient_storage"
                                                            : "storage_unavailable",
                        std::string(trouble(state)),
                        {},
                        {{"Retry-After", std::to_string(service.settings.retry_after_seconds)}}});
}

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
    {"GET", "/readyz", Access::open, readyz},
};

}  // namespace

std::span<const Route> system_routes() { return routes; }

}  // namespace relay::api
