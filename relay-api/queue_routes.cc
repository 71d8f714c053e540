// /admin/v1/queue: the open recipients, and control over them. Only on the Unix socket.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "relay-api/admin.h"
#include "relay-api/fields.h"
#include "relay-api/json_in.h"
#include "relay-api/json_out.h"
#include "relay-api/json_parse.h"
#include "relay-api/query.h"

namespace relay::api {
namespace json = boost::json;
namespace {

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

std::optional<spool::Status> open_status(Query& query) {
  const auto given = query.text("status");
  if (!given) return std::nullopt;
  for (const auto status : {spool::Status::queued, spool::Status::held})
    if (*given == spool::text(status)) return status;
  query.fault("status", "invalid_value", "status is queued or held: nothing else is in the queue.");
  return std::nullopt;
}

void list(Service& service, Call call) {
  Query query(call.request.query);
  const std::uint32_t limit = query.number("limit", service.settings.page, 1, service.settings.page_most);
  spool::QueueQuery which;
  if (auto domain = query.text("domain")) which.domain = lower_case(std::move(*domain));
  which.status = open_status(query);
  which.after = query.recipient("after");
  which.limit = limit + 1;
  if (const auto problem = query.finish()) return call.answer->problem(*problem);
  service.ports.loader.list_queue(
      std::move(which), service.ports.loop,
      [answer = std::move(call.answer), limit](Result<std::vector<spool::QueueRow>> rows) {
        if (!rows) return answer->problem(problem_of(rows.error()));
        const bool more = rows->size() > limit;
        if (more) rows->resize(limit);
        answer->json(200, json_queue(*rows, more));
      });
}

// Exactly one of id, domain, all: an empty body selects nothing, so that no slip of the hand selects
// everything.
queue::Selection read_selection(Fields& fields) {
  queue::Selection which;
  const std::size_t before = fields.faults().size();
  const auto id = fields.text("id");
  auto domain = fields.text("domain");
  const auto all = fields.boolean("all");
  if (id) {
    which.message = MessageId::parse(*id);
    if (!which.message) fields.fault("id", "invalid_id", "id is a message's id: msg_ and 26 characters.");
  }
  if (domain) {
    if (domain->empty()) fields.fault("domain", "invalid_value", "domain is empty.");
    which.domain = lower_case(std::move(*domain));
  }
  if (all && !*all) fields.fault("all", "invalid_value", "all is true or absent.");
  const int given = (id ? 1 : 0) + (domain ? 1 : 0) + (all ? 1 : 0);
  if (given != 1 && fields.faults().size() == before)
    fields.fault_at("", given == 0 ? "required" : "conflict", "Give exactly one of id, domain and all.");
  return which;
}

std::expected<queue::Selection, Problem> selection_of(const net::HttpRequest& request) {
  if (auto problem = refuse_unless_json(request)) return std::unexpected(std::move(*problem));
  const auto value = parse_json(request.body);
  if (!value) return std::unexpected(Problem{400, "invalid_json", value.error().message + ".", {}, {}});
  std::vector<Fault> faults;
  queue::Selection which;
  if (value->is_object()) {
    Fields fields(value->get_object(), "", faults);
    which = read_selection(fields);
    fields.refuse_unknown();
  } else {
    faults.push_back({Fault::In::body, "", "wrong_type", "The body must be an object."});
  }
  if (!faults.empty()) return std::unexpected(validation_problem(std::move(faults)));
  return which;
}

// A message that has nothing left to control is worth a word: the id may be the wrong one.
// One whose record is damaged may be in the queue all the same.
std::optional<Problem> refuse_finished(Service& service, const MessageId& id) {
  const auto view = find_message(service, id.text());
  if (!view && view.error().code == "damaged") return std::nullopt;
  if (!view) return view.error();
  const bool open = std::any_of(view->recipients.begin(), view->recipients.end(),
                                [](const auto& r) { return !spool::terminal(r.status); });
  if (open) return std::nullopt;
  return Problem{409, "not_open", "The message is finished; none of its recipients is in the queue.", {}, {}};
}

// What has been said cannot be stored, and who asks would wait for that.
std::optional<Problem> refuse_unwritable(const Service& service) {
  const spool::WriterStats writer = service.ports.writer.stats();
  if (writer.state != spool::WriterState::unavailable && writer.state != spool::WriterState::failed)
    return std::nullopt;
  return Problem{
      503, "storage_unavailable", "The spool cannot be written to: " + writer.reason + ".", {}, {}};
}

void control(Service& service, Call call, queue::Control what) {
  auto which = selection_of(call.request);
  if (!which) return call.answer->problem(which.error());
  if (which->message)
    if (const auto problem = refuse_finished(service, *which->message)) return call.answer->problem(*problem);
  if (const auto problem = refuse_unwritable(service)) return call.answer->problem(*problem);
  service.ports.dispatcher.control(
      what, std::move(*which), service.ports.loop,
      [answer = std::move(call.answer)](const Result<queue::ControlResult>& result) {
        if (result)
          answer->json(200, json_control(*result));
        else if (result.error().code == Errc::unavailable)  // whoever may command may know why
          answer->problem({503, "service_unavailable", result.error().message + ".", {}, {}});
        else
          answer->problem(problem_of(result.error()));
      });
}

void retry(Service& service, Call call) { control(service, std::move(call), queue::Control::retry); }
void hold(Service& service, Call call) { control(service, std::move(call), queue::Control::hold); }
void release(Service& service, Call call) { control(service, std::move(call), queue::Control::release); }
void cancel(Service& service, Call call) { control(service, std::move(call), queue::Control::cancel); }

constexpr Route routes[] = {
    {"GET", "/admin/v1/queue", Access::socket, list},
    {"POST", "/admin/v1/queue/retry", Access::socket, retry},
    {"POST", "/admin/v1/queue/hold", Access::socket, hold},
    {"POST", "/admin/v1/queue/release", Access::socket, release},
    {"POST", "/admin/v1/queue/cancel", Access::socket, cancel},
};

}  // namespace

std::span<const Route> queue_routes() { return routes; }

}  // namespace relay::api
