// The table of routes: method, path pattern, who may call, handler; and the look-up in it. Pure.
//
// A segment of a pattern in braces takes any one segment of a path. HEAD is answered by the GET route of the
// same path (RFC 9110 9.3.2). A path that exists at another door does not exist at this one.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mta/wire/server_dialog.h"
#include "relay-api/api.h"
#include "relay-api/problem.h"

namespace relay::api {

// The answer of one request, given once; what comes after the first is dropped. Never given if the callback
// that holds it is destroyed unrun, which happens only when the loop itself goes.
class Answer {
 public:
  Answer(std::string request_id, Api::Done done)
      : request_id_(std::move(request_id)), done_(std::move(done)) {}
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;
  void json(int status, std::string body);
  void problem(const Problem& problem);
  void raw(net::HttpResponse response);

 private:
  std::string request_id_;
  Api::Done done_;
};

// One request on its way through a handler.
struct Call {
  net::HttpRequest request;
  std::vector<std::string> parameters;  // what the braces took, in order
  wire::Identity who;                   // of calls with a key
  std::shared_ptr<Answer> answer;
};

// What handlers work with; one an Api. A handler that answers later may keep `call`, never `service`.
struct Service {
  Api::Ports ports;
  ApiSettings settings;
};

// Nobody's, an API key's, the Unix socket's, that of the socket and of addresses in the settings.
enum class Access { open, key, socket, monitor };

struct Route {
  std::string_view method;
  std::string_view pattern;
  Access access;
  void (*handler)(Service& service, Call call);
};

struct Match {
  const Route* route = nullptr;  // null: 404 if `allow` is empty, else 405
  std::vector<std::string> parameters;
  std::string allow;  // "GET, HEAD"
};

Match match(std::span<const Route> routes, Door door, std::string_view method, std::string_view path);

std::span<const Route> message_routes();
std::span<const Route> admin_routes();
std::span<const Route> queue_routes();
std::span<const Route> key_routes();
std::span<const Route> lockout_routes();
std::span<const Route> system_routes();
std::vector<Route> all_routes();

}  // namespace relay::api
