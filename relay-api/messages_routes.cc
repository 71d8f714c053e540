// /v1/messages: sending, looking up, listing. A key sees the messages of its account; others do not exist for
// it.
#include <fmt/format.h>

#include "relay-api/json_in.h"
#include "relay-api/json_out.h"
#include "relay-api/query.h"
#include "relay-api/refusal.h"
#include "relay-api/router.h"

namespace relay::api {
namespace {

std::string make_message_id(Service& service) {
  std::string bytes(16, '\0');
  service.ports.rng.fill({reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
  return fmt::format("{}@{}", base32(bytes), service.settings.host_name);
}

void send(Service& service, Call call) {
  const std::uint32_t retry_after = service.settings.retry_after_seconds;
  if (const auto refusal = service.ports.intake.turn_away())
    return call.answer->problem(refusal_problem(*refusal, retry_after));
  if (const auto refusal = service.ports.intake.turn_away(call.who, std::nullopt, service.ports.loop))
    return call.answer->problem(refusal_problem(*refusal, retry_after));
  if (const auto problem = refuse_unless_json(call.request)) return call.answer->problem(*problem);
  auto request = read_message(call.request.body, service.settings);
  if (!request) return call.answer->problem(request.error());
  std::string().swap(call.request.body);  // decoded into the draft; not held twice while it is composed
  auto content = mime::compose(request->draft, service.ports.loop.wall(), make_message_id(service));
  if (!content) return call.answer->problem(compose_problem(content.error()));

  intake::Submission submission;
  submission.origin = spool::Origin::http;
  submission.envelope = std::move(request->envelope);
  submission.content = std::move(*content);
  submission.who = std::move(call.who);
  submission.attributes.tags = std::move(request->tags);
  submission.peer = call.request.peer;
  submission.protocol = call.request.tls ? "HTTPS" : "HTTP";
  service.ports.intake.accept(
      std::move(submission), service.ports.loop, service.ports.rng,
      [answer = std::move(call.answer), retry_after](const intake::AcceptResult& result) {
        if (result)
          answer->json(202, json_accepted(result->id));
        else
          answer->problem(refusal_problem(result.error(), retry_after));
      });
}

void show(Service& service, Call call) {
  Query query(call.request.query);
  if (const auto problem = query.finish()) return call.answer->problem(*problem);
  const auto id = MessageId::parse(call.parameters.at(0));
  const Problem missing{404, "not_found", "There is no message of this id.", {}, {}};
  if (!id) return call.answer->problem(missing);
  const auto view = service.ports.store.find(*id);
  if (!view) return call.answer->problem(problem_of(view.error()));
  if (!*view || (*view)->message.account.value != call.who.account) return call.answer->problem(missing);
  call.answer->json(200, json_message(**view, Reader::application));
}

void list(Service& service, Call call) {
  Query query(call.request.query);
  const std::uint32_t limit = query.number("limit", service.settings.page, 1, service.settings.page_most);
  spool::MessageQuery which{AccountId{call.who.account}, query.message("before"), limit + 1};
  if (const auto problem = query.finish()) return call.answer->problem(*problem);
  auto views = service.ports.store.list(which);
  if (!views) return call.answer->problem(problem_of(views.error()));
  const bool more = views->size() > limit;  // one over was asked for to know this
  if (more) views->resize(limit);
  call.answer->json(200, json_message_list(*views, more, Reader::application));
}

constexpr Route routes[] = {
    {"POST", "/v1/messages", Access::key, send},
    {"GET", "/v1/messages", Access::key, list},
    {"GET", "/v1/messages/{id}", Access::key, show},
};

}  // namespace

std::span<const Route> message_routes() { return routes; }

}  // namespace relay::api
