// /admin/v1/keys: making, listing, changing and revoking API keys. Only on the Unix socket.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "relay-api/addresses.h"
#include "relay-api/admin.h"
#include "relay-api/fields.h"
#include "relay-api/json_in.h"
#include "relay-api/json_out.h"
#include "relay-api/json_parse.h"
#include "relay-api/key_policy.h"
#include "relay-api/query.h"

namespace relay::api {
namespace {

constexpr std::size_t name_bytes = 64;    // of an account: it stands in every message's record
constexpr std::size_t label_bytes = 200;  // of a key: one line for people

struct KeyRequest {
  std::string account = "default";
  std::string label;
  spool::KeyPolicy policy;
};

// An account's name is also a user name over SMTP, so it is kept to what survives there.
bool is_account_name(std::string_view name) {
  return !name.empty() && name.size() <= name_bytes && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

void read_account(Fields& fields, KeyRequest& request) {
  auto account = fields.text("account");
  if (!account) return;
  if (!is_account_name(*account))
    fields.fault("account", "invalid_value",
                 fmt::format("An account's name is 1 to {} letters, digits, dots, dashes and underscores.",
                             name_bytes));
  request.account = std::move(*account);
}

void read_label(Fields& fields, KeyRequest& request) {
  if (!fields.given("label")) return;
  request.label = fields.text("label").value_or("");
  if (request.label.size() > label_bytes || has_controls(request.label))
    fields.fault("label", "invalid_value",
                 fmt::format("A label is at most {} bytes without control characters.", label_bytes));
}

// Whose key it is, is said when it is made and never again.
enum class Purpose { create, change };

// `request` says what is so without a word of the request.
std::expected<KeyRequest, Problem> read_key_request(const net::HttpRequest& http, KeyRequest request,
                                                    Purpose purpose) {
  if (auto problem = refuse_unless_json(http)) return std::unexpected(std::move(*problem));
  const auto value = parse_json(http.body);
  if (!value) return std::unexpected(Problem{400, "invalid_json", value.error().message + ".", {}, {}});
  std::vector<Fault> faults;
  if (!value->is_object()) {
    faults.push_back({Fault::In::body, "", "wrong_type", "The body must be an object."});
    return std::unexpected(validation_problem(std::move(faults)));
  }
  Fields fields(value->get_object(), "", faults);
  if (purpose == Purpose::create) read_account(fields, request);
  read_label(fields, request);
  if (const auto* policy = fields.take_object("policy")) {
    Fields members(*policy, "/policy", faults);
    read_policy(members, request.policy);
  }
  fields.refuse_unknown();
  if (!faults.empty()) return std::unexpected(validation_problem(std::move(faults)));
  return request;
}

const Problem no_key{404, "not_found", "There is no key of this id.", {}, {}};

void answer_key(const std::shared_ptr<Answer>& answer, const intake::KeyRing& ring, const KeyId& id,
                WallTime now) {
  if (const auto known = ring.find(id.value)) return answer->json(200, json_key(*known, now));
  answer->problem(no_key);
}

void create(Service& service, Call call) {
  auto request = read_key_request(call.request, {}, Purpose::create);
  if (!request) return call.answer->problem(request.error());
  service.ports.keys.create(
      AccountId{std::move(request->account)}, std::move(request->label), std::move(request->policy),
      service.ports.loop, service.ports.rng,
      [answer = std::move(call.answer)](const Result<intake::KeyRing::Created>& created) {
        if (created)
          answer->json(201, json_created_key(*created));
        else
          answer->problem(problem_of(created.error()));
      });
}

void list(Service& service, Call call) {
  Query query(call.request.query);
  if (const auto problem = query.finish()) return call.answer->problem(*problem);
  auto keys = service.ports.keys.list();
  std::sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) {
    return std::tie(a.created, a.id.value) < std::tie(b.created, b.id.value);
  });
  call.answer->json(200, json_keys(keys));
}

void show(Service& service, Call call) {
  Query query(call.request.query);
  if (const auto problem = query.finish()) return call.answer->problem(*problem);
  answer_key(call.answer, service.ports.keys, KeyId{call.parameters.at(0)}, service.ports.loop.wall());
}

// What answers a change: the key as it is then.
auto answer_change(Service& service, Call& call, const KeyId& id) {
  return [answer = call.answer, &ring = service.ports.keys, &loop = service.ports.loop,
          id](const Result<void>& done) {
    if (!done) return answer->problem(problem_of(done.error()));
    answer_key(answer, ring, id, loop.wall());
  };
}

void change(Service& service, Call call) {
  const KeyId id{call.parameters.at(0)};
  if (!service.ports.keys.find(id.value)) return call.answer->problem(no_key);
  Problem wrong;
  const auto edit = [&](spool::ApiKey& key) {  // what is not given stays as it is then
    auto request =
        read_key_request(call.request, {key.account.value, key.label, key.policy}, Purpose::change);
    if (!request) return wrong = std::move(request.error()), false;
    key.label = std::move(request->label);
    key.policy = std::move(request->policy);
    return true;
  };
  if (!service.ports.keys.set(id, edit, service.ports.loop, answer_change(service, call, id)))
    call.answer->problem(wrong);
}

void revoke(Service& service, Call call) {
  const KeyId id{call.parameters.at(0)};
  if (!service.ports.keys.find(id.value)) return call.answer->problem(no_key);
  service.ports.keys.revoke(id, service.ports.loop, answer_change(service, call, id));
}

constexpr Route routes[] = {
    {"GET", "/admin/v1/keys", Access::socket, list},
    {"POST", "/admin/v1/keys", Access::socket, create},
    {"GET", "/admin/v1/keys/{id}", Access::socket, show},
    {"PATCH", "/admin/v1/keys/{id}", Access::socket, change},
    {"POST", "/admin/v1/keys/{id}/revoke", Access::socket, revoke},
};

}  // namespace

std::span<const Route> key_routes() { return routes; }

}  // namespace relay::api
