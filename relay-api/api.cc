#include "relay-api/api.h"

#include <exception>

#include "mta/base/log.h"
#include "mta/base/network.h"
#include "relay-api/auth.h"
#include "relay-api/refusal.h"
#include "relay-api/router.h"

namespace relay::api {
namespace {

std::string make_request_id(Rng& rng) {
  std::string bytes(15, '\0');
  rng.fill({reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
  return "req_" + base32(bytes);
}

}  // namespace

struct Api::Impl {
  Service service;
  std::vector<Route> routes = all_routes();

  void route(Call call, Door door) {
    Match found = match(routes, door, call.request.method, call.request.path);
    if (found.route == nullptr && found.allow.empty())
      return call.answer->problem({404, "not_found", "There is nothing at this path.", {}, {}});
    if (found.route == nullptr)
      return call.answer->problem({405,
                                   "method_not_allowed",
                                   "This path does not take this method; it takes " + found.allow + ".",
                                   {},
                                   {{"Allow", found.allow}}});
    if (found.route->access == Access::key) {
      auto who = authenticate(call.request, service.ports);
      if (!who) return call.answer->problem(who.error());
      if (const auto refusal = service.ports.intake.turn_away_client(*who, call.request.peer.address))
        return call.answer->problem(refusal_problem(*refusal, service.settings.retry_after_seconds));
      call.who = std::move(*who);
    }
    if (found.route->access == Access::monitor && door == Door::application &&
        !within(service.settings.metrics_from, call.request.peer.address))
      return call.answer->problem({403, "forbidden", "This is not for your address to read.", {}, {}});
    call.parameters = std::move(found.parameters);
    found.route->handler(service, std::move(call));
  }
};

Api::Api(Ports ports, ApiSettings settings)
    : impl_(std::make_unique<Impl>(Impl{Service{ports, std::move(settings)}})) {}
Api::~Api() = default;

void Api::handle(net::HttpRequest request, Door door, Done done) {
  auto answer = std::make_shared<Answer>(make_request_id(impl_->service.ports.rng), std::move(done));
  try {
    impl_->route(Call{std::move(request), {}, {}, answer}, door);
  } catch (const std::exception& e) {
    // Only the libraries and the allocator throw; one request's failure is not the process's.
    log::error("API request failed: error={}", log::printable(e.what()));
    answer->problem({500, "internal_error", "The relay failed; its log says more.", {}, {}});
  }
}

net::HttpResponse Api::problem(int status, std::string_view detail) {
  SystemRng rng;
  const std::string id = make_request_id(rng);
  auto response = respond({status, std::string(code_of_status(status)), std::string(detail), {}, {}}, id);
  response.headers.emplace_back("X-Request-Id", id);
  return response;
}

}  // namespace relay::api
