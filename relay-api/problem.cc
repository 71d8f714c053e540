#include "relay-api/problem.h"

#include <array>
#include <boost/json.hpp>

#include "mta/base/log.h"

namespace relay::api {
namespace json = boost::json;
namespace {

struct StatusRow {
  int status;
  std::string_view phrase;
  std::string_view code;
};
constexpr std::array rows{
    StatusRow{200, "OK", "ok"},
    StatusRow{201, "Created", "created"},
    StatusRow{202, "Accepted", "accepted"},
    StatusRow{400, "Bad Request", "bad_request"},
    StatusRow{401, "Unauthorized", "unauthorized"},
    StatusRow{403, "Forbidden", "forbidden"},
    StatusRow{404, "Not Found", "not_found"},
    StatusRow{405, "Method Not Allowed", "method_not_allowed"},
    StatusRow{408, "Request Timeout", "request_timeout"},
    StatusRow{409, "Conflict", "conflict"},
    StatusRow{411, "Length Required", "length_required"},
    StatusRow{413, "Content Too Large", "content_too_large"},
    StatusRow{414, "URI Too Long", "uri_too_long"},
    StatusRow{415, "Unsupported Media Type", "unsupported_media_type"},
    StatusRow{417, "Expectation Failed", "expectation_failed"},
    StatusRow{422, "Unprocessable Content", "unprocessable"},
    StatusRow{429, "Too Many Requests", "too_many_requests"},
    StatusRow{431, "Request Header Fields Too Large", "header_fields_too_large"},
    StatusRow{500, "Internal Server Error", "internal_error"},
    StatusRow{501, "Not Implemented", "not_implemented"},
    StatusRow{503, "Service Unavailable", "service_unavailable"},
    StatusRow{507, "Insufficient Storage", "insufficient_storage"},
    StatusRow{505, "HTTP Version Not Supported", "http_version_not_supported"},
};

const StatusRow* row_of(int status) {
  for (const StatusRow& row : rows)
    if (row.status == status) return &row;
  return nullptr;
}

}  // namespace

std::string_view status_phrase(int status) {
  const StatusRow* row = row_of(status);
  return row != nullptr ? row->phrase : "Error";
}

std::string_view code_of_status(int status) {
  const StatusRow* row = row_of(status);
  return row != nullptr ? row->code : "error";
}

Problem validation_problem(std::vector<Fault> faults) {
  const std::size_t n = faults.size();
  return Problem{
      422,
      "validation_failed",
      n == 1 ? "One thing in the request is wrong." : fmt::format("{} things in the request are wrong.", n),
      std::move(faults),
      {}};
}

Problem problem_of(const Error& error) {
  switch (error.code) {
    case Errc::invalid: return {422, "unprocessable", error.message + ".", {}, {}};
    case Errc::not_found: return {404, "not_found", error.message + ".", {}, {}};
    case Errc::conflict: return {409, "conflict", error.message + ".", {}, {}};
    case Errc::full:
      return {507,
              "insufficient_storage",
              "The relay has no room for this now; try again later.",
              {},
              {{"Retry-After", "30"}}};
    case Errc::unavailable:
      return {503,
              "service_unavailable",
              "The relay cannot do this now; try again later.",
              {},
              {{"Retry-After", "30"}}};
    case Errc::corrupt:
      log::error("API request met damage: {}", log::printable(error.message));
      return {500, "damaged", "What is stored of this is damaged: " + error.message + ".", {}, {}};
    case Errc::system: break;
  }
  log::error("API request failed: error={}", log::printable(error.message));
  return {500, "internal_error", "The relay failed; its log says more.", {}, {}};
}

net::HttpResponse respond(const Problem& problem, std::string_view request_id) {
  json::object body{{"type", "about:blank"},    {"title", status_phrase(problem.status)},
                    {"status", problem.status}, {"detail", problem.detail},
                    {"code", problem.code},     {"request_id", request_id}};
  if (!problem.faults.empty()) {
    json::array errors;
    for (const Fault& fault : problem.faults)
      errors.push_back(json::object{{fault.in == Fault::In::body ? "pointer" : "parameter", fault.where},
                                    {"code", fault.code},
                                    {"detail", fault.detail}});
    body["errors"] = std::move(errors);
  }
  net::HttpResponse response{problem.status, problem.headers, json::serialize(body)};
  response.headers.emplace_back("Content-Type", "application/problem+json");
  return response;
}

}  // namespace relay::api
