#include "relay-api/router.h"

namespace relay::api {
namespace {

bool served(Access access, Door door) {
  switch (access) {
    case Access::open:
    case Access::monitor: return true;
    case Access::key: return door == Door::application;
    case Access::socket: return door == Door::administration;
  }
  return false;
}

std::string_view take_segment(std::string_view& path) {
  path.remove_prefix(1);  // the slash
  const std::size_t end = std::min(path.find('/'), path.size());
  const std::string_view segment = path.substr(0, end);
  path.remove_prefix(end);
  return segment;
}

bool fits(std::string_view pattern, std::string_view path, std::vector<std::string>& parameters) {
  parameters.clear();
  while (pattern.starts_with('/') && path.starts_with('/')) {
    const std::string_view expected = take_segment(pattern), given = take_segment(path);
    if (!expected.starts_with('{')) {
      if (expected != given) return false;
    } else {
      if (given.empty()) return false;
      parameters.emplace_back(given);
    }
  }
  return pattern.empty() && path.empty();
}

}  // namespace

Match match(std::span<const Route> routes, Door door, std::string_view method, std::string_view path) {
  Match found;
  std::vector<std::string> parameters;
  for (const Route& route : routes) {
    if (!served(route.access, door) || !fits(route.pattern, path, parameters)) continue;
    if (route.method == method || (method == "HEAD" && route.method == "GET")) {
      found.route = &route;
      found.parameters = std::move(parameters);
      return found;
    }
    if (!found.allow.empty()) found.allow += ", ";
    found.allow += route.method == "GET" ? "GET, HEAD" : route.method;
  }
  return found;
}

void Answer::json(int status, std::string body) {
  raw({status, {{"Content-Type", "application/json"}}, std::move(body)});
}

void Answer::problem(const Problem& problem) { raw(respond(problem, request_id_)); }

void Answer::raw(net::HttpResponse response) {
  if (!done_) return;
  response.headers.emplace_back("X-Request-Id", request_id_);
  response.headers.emplace_back("Cache-Control", "no-store");
  Api::Done done = std::move(done_);
  done_ = nullptr;
  done(std::move(response));
}

std::vector<Route> all_routes() {
  std::vector<Route> all;
  for (const auto table :
       {message_routes(), admin_routes(), queue_routes(), key_routes(), lockout_routes(), system_routes()})
    all.insert(all.end(), table.begin(), table.end());
  return all;
}

}  // namespace relay::api
