// /admin/v1/lockouts: who is locked out after failed authentications, and lifting that. Only on the Unix
// socket.
#include <boost/json.hpp>

#include "relay-api/admin.h"
#include "relay-api/fields.h"
#include "relay-api/json_in.h"
#include "relay-api/json_out.h"
#include "relay-api/json_parse.h"
#include "relay-api/query.h"

namespace relay::api {
namespace {

void list(Service& service, Call call) {
  Query query(call.request.query);
  if (const auto problem = query.finish()) return call.answer->problem(*problem);
  call.answer->json(200, json_lockouts(service.ports.guard.list(service.ports.loop)));
}

struct LiftRequest {
  std::optional<std::string> subject;  // nothing: all
};

std::expected<LiftRequest, Problem> read_lift_request(const net::HttpRequest& http) {
  if (auto problem = refuse_unless_json(http)) return std::unexpected(std::move(*problem));
  const auto value = parse_json(http.body);
  if (!value) return std::unexpected(Problem{400, "invalid_json", value.error().message + ".", {}, {}});
  std::vector<Fault> faults;
  LiftRequest request;
  if (value->is_object()) {
    Fields fields(value->get_object(), "", faults);
    request.subject = fields.text("subject");
    const auto all = fields.boolean("all");
    if (all && !*all) fields.fault("all", "invalid_value", "all is true or absent.");
    if (faults.empty() && request.subject.has_value() == all.has_value())
      fields.fault_at("", all ? "conflict" : "required", "Give exactly one of subject and all.");
    fields.refuse_unknown();
  } else {
    faults.push_back({Fault::In::body, "", "wrong_type", "The body must be an object."});
  }
  if (!faults.empty()) return std::unexpected(validation_problem(std::move(faults)));
  return request;
}

void lift(Service& service, Call call) {
  const auto request = read_lift_request(call.request);
  if (!request) return call.answer->problem(request.error());
  auto& guard = service.ports.guard;
  const std::size_t lifted = request->subject ? guard.lift(*request->subject, service.ports.loop)
                                              : guard.lift_all(service.ports.loop);
  if (request->subject && lifted == 0)
    return call.answer->problem(
        {404, "not_found", "Neither an address nor an account of this name is locked out.", {}, {}});
  call.answer->json(200, boost::json::serialize(boost::json::object{{"lifted", lifted}}));
}

constexpr Route routes[] = {
    {"GET", "/admin/v1/lockouts", Access::socket, list},
    {"POST", "/admin/v1/lockouts/lift", Access::socket, lift},
};

}  // namespace

std::span<const Route> lockout_routes() { return routes; }

}  // namespace relay::api
