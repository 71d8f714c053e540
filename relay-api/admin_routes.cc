// /admin/v1/messages, /admin/v1/stats, /admin/v1/spool, /admin/v1/status and /admin/v1/tls: what relayctl
// shows of any account's mail and of the relay itself. Only on the Unix socket.
#include <filesystem>

#include "relay-api/admin.h"
#include "relay-api/json_out.h"
#include "relay-api/query.h"

namespace relay::api {
namespace {

void show(Service& service, Call call) {
  Query query(call.request.query);
  if (const auto problem = query.finish()) return call.answer->problem(*problem);
  const auto view = find_message(service, call.parameters.at(0));
  if (!view) return call.answer->problem(view.error());
  call.answer->json(200, json_message(*view, Reader::administrator));
}

void why(Service& service, Call call) {
  Query query(call.request.query);
  if (const auto problem = query.finish()) return call.answer->problem(*problem);
  const auto view = find_message(service, call.parameters.at(0));
  if (!view) return call.answer->problem(view.error());
  call.answer->json(200, json_why(*view, service.ports.loop.wall()));
}

void content(Service& service, Call call) {
  Query query(call.request.query);
  if (const auto problem = query.finish()) return call.answer->problem(*problem);
  const auto view = find_message(service, call.parameters.at(0));
  if (!view) return call.answer->problem(view.error());
  service.ports.loader.load(
      view->message.id, spool::Store::whole, service.ports.loop,
      [answer = std::move(call.answer)](const Result<spool::MessagePtr>& message) {
        if (!message && message.error().code == Errc::not_found)
          return answer->problem(
              {404, "content_gone", "The content was removed when the message was finished.", {}, {}});
        if (!message) return answer->problem(problem_of(message.error()));
        answer->raw({200, {{"Content-Type", "message/rfc822"}}, (*message)->body->flatten()});
      });
}

void list(Service& service, Call call) {
  Query query(call.request.query);
  const std::uint32_t limit = query.number("limit", service.settings.page, 1, service.settings.page_most);
  spool::MessageQuery which{std::nullopt, query.message("before"), limit + 1};
  if (auto account = query.text("account")) which.account = AccountId{std::move(*account)};
  if (const auto problem = query.finish()) return call.answer->problem(*problem);
  auto views = service.ports.store.list(which);
  if (!views) return call.answer->problem(problem_of(views.error()));
  const bool more = views->size() > limit;
  if (more) views->resize(limit);
  call.answer->json(200, json_message_list(*views, more, Reader::administrator));
}

void stats(Service& service, Call call) {
  Query query(call.request.query);
  if (const auto problem = query.finish()) return call.answer->problem(*problem);
  const auto counts = service.ports.store.counts();
  if (!counts) return call.answer->problem(problem_of(counts.error()));
  service.ports.dispatcher.stats(
      service.ports.loop, [answer = std::move(call.answer), counts = *counts](
                              const queue::SchedulerStats& s) { answer->json(200, json_stats(counts, s)); });
}

void spool_directory(Service& service, Call call) {
  Query query(call.request.query);
  if (const auto problem = query.finish()) return call.answer->problem(*problem);
  std::error_code ignored;
  const auto path = std::filesystem::absolute(service.settings.spool_directory, ignored);
  call.answer->json(200, json_spool(path.lexically_normal().string()));
}

void status(Service& service, Call call) {
  Query query(call.request.query);
  if (const auto problem = query.finish()) return call.answer->problem(*problem);
  const auto counts = service.ports.store.counts();
  if (!counts) return call.answer->problem(problem_of(counts.error()));
  const auto space = service.ports.store.space();
  if (!space) return call.answer->problem(problem_of(space.error()));
  service.ports.dispatcher.stats(
      service.ports.loop, [answer = std::move(call.answer), counts = *counts, space = *space,
                           ports = service.ports](const queue::SchedulerStats& queue) {
        const StoreStatus store{ports.writer.stats(), counts, space, ports.dispatcher.restored()};
        const auto tls = ports.certificates ? std::optional(ports.certificates->status()) : std::nullopt;
        answer->json(200, json_status(ports.about, ports.loop.wall(), store, queue, tls));
      });
}

// Small files are read on the loop, as seldom as somebody asks.
void reload_tls(Service& service, Call call) {
  Query query(call.request.query);
  if (const auto problem = query.finish()) return call.answer->problem(*problem);
  net::CertificateStore* certificates = service.ports.certificates;
  if (certificates == nullptr)
    return call.answer->problem({404, "not_found", "This relay has no certificates.", {}, {}});
  if (const auto done = certificates->reload(service.ports.loop.wall()); !done)
    return call.answer->problem(
        {409,
         "certificate_unusable",
         "Nothing was replaced and the certificates in use stay: " + done.error().message + ".",
         {},
         {}});
  call.answer->json(200, json_tls(certificates->status()));
}

constexpr Route routes[] = {
    {"GET", "/admin/v1/messages", Access::socket, list},
    {"GET", "/admin/v1/messages/{id}", Access::socket, show},
    {"GET", "/admin/v1/messages/{id}/why", Access::socket, why},
    {"GET", "/admin/v1/messages/{id}/content", Access::socket, content},
    {"GET", "/admin/v1/stats", Access::socket, stats},
    {"GET", "/admin/v1/spool", Access::socket, spool_directory},
    {"GET", "/admin/v1/status", Access::socket, status},
    {"POST", "/admin/v1/tls/reload", Access::socket, reload_tls},
};

}  // namespace

std::expected<spool::MessageView, Problem> find_message(Service& service, std::string_view id_text) {
  const auto id = MessageId::parse(id_text);
  if (!id)
    return std::unexpected(Problem{
        404, "not_found", "This is not the id of a message, which is msg_ and 26 characters.", {}, {}});
  auto view = service.ports.store.find(*id);
  if (!view) return std::unexpected(problem_of(view.error()));
  if (!*view) return std::unexpected(Problem{404, "not_found", "There is no message of this id.", {}, {}});
  return std::move(**view);
}

std::span<const Route> admin_routes() { return routes; }

}  // namespace relay::api
