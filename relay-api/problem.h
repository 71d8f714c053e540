// Problem: a refusal as data, and its form on the wire, problem+json (RFC 9457). Pure.
//
// `code` is stable and for programs; `detail` is a sentence for people and may change. Faults are all that is
// wrong with one request at once, each with the place: a JSON pointer (RFC 6901) into the body, or the name
// of a query parameter. The type is about:blank, so the title is the status's own phrase (RFC 9457 4.2.1).
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mta/base/result.h"
#include "mta/net/http_dialog.h"

namespace relay::api {

struct Fault {
  enum class In { body, query } in = In::body;
  std::string where;  // pointer or parameter name
  std::string code;
  std::string detail;
};

struct Problem {
  int status = 500;
  std::string code;
  std::string detail;
  std::vector<Fault> faults;
  std::vector<std::pair<std::string, std::string>> headers;
};

std::string_view status_phrase(int status);   // "Not Found"
std::string_view code_of_status(int status);  // "not_found"

// 422 over everything found wrong.
Problem validation_problem(std::vector<Fault> faults);
// What an error of our own world is to a client; the log gets the words, the client a sentence without them.
Problem problem_of(const Error& error);

net::HttpResponse respond(const Problem& problem, std::string_view request_id);

}  // namespace relay::api
