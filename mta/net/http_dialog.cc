#include "mta/net/http_dialog.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "mta/base/result.h"
#include "mta/net/http_parser.h"

namespace relay::net {
namespace {

const char* reason_of(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return "";  // the phrase may be empty (RFC 9112 4)
  }
}

// "Sat, 21 Nov 2026 09:18:00 GMT" (RFC 9110 5.6.7)
std::string http_date(WallTime date) {
  std::string text = format_rfc5322(date);
  text.replace(text.size() - 5, 5, "GMT");
  if (text[6] == ' ') text.insert(5, "0");  // always two digits for the day
  return text;
}

}  // namespace

const std::string* HttpRequest::header(std::string_view lower_case_name) const {
  auto found = std::ranges::find(headers, lower_case_name, &std::pair<std::string, std::string>::first);
  return found == headers.end() ? nullptr : &found->second;
}

struct HttpDialog::Impl {
  enum class State { head, body, serving, closed };

  Impl(HttpLimits l, ErrorPage e) : limits(l), error_page(e) {}

  void process(Instant now);
  bool read_head(Instant now);
  bool read_body();
  void after_parsing();
  void refuse(const HttpFault& fault);
  void send(const HttpResponse& response, std::string_view date_line, bool with_body);
  void next_request(Instant now);

  HttpLimits limits;
  ErrorPage error_page;
  State state = State::head;
  std::string in;
  std::size_t checked = 0;  // bytes of `in` known to be a good beginning of a head
  std::optional<HttpParser> parser;
  std::optional<HttpRequest> request;
  wire::Output out;
  wire::PeerInfo peer;
  bool tls = false;
  bool head_request = false;
  bool last = false;  // close after the answer
  std::uint32_t served = 0;
  Instant deadline = never;
};

void HttpDialog::Impl::refuse(const HttpFault& fault) {
  // What was read cannot be trusted to end where the client thinks: answer and close.
  last = true;
  send(error_page(fault.status, fault.detail), "", true);
  state = State::closed;
  deadline = never;
  in.clear();
}

void HttpDialog::Impl::send(const HttpResponse& response, std::string_view date_line, bool with_body) {
  std::string head =
      fmt::format("HTTP/1.1 {} {}\r\n{}", response.status, reason_of(response.status), date_line);
  for (const auto& [name, value] : response.headers) head += fmt::format("{}: {}\r\n", name, value);
  const bool has_body = response.status != 204 && response.status != 304;  // RFC 9110 15.3.5, 15.4.5
  if (has_body) head += fmt::format("Content-Length: {}\r\n", response.body.size());
  if (last) head += "Connection: close\r\n";
  head += "\r\n";
  out.append(head);
  if (with_body && has_body) out.append(response.body);
}

// Needs the whole head in `in`; true if it was there and is good.
bool HttpDialog::Impl::read_head(Instant now) {
  if (checked == 0) {  // RFC 9112 2.2: empty lines before a request are passed over
    std::size_t blank = 0;
    while (std::string_view(in).substr(blank).starts_with("\r\n")) blank += 2;
    in.erase(0, blank);
    if (in.empty() || in == "\r") return false;
  }
  if (checked == 0) deadline = now + limits.head_timeout;
  std::size_t from = checked > 3 ? checked - 3 : 0;
  std::size_t end = in.find("\r\n\r\n", from);
  std::size_t length = end == std::string::npos ? in.size() : end + 4;
  // From two bytes before: what follows a line end decides about folding.
  std::size_t again = checked > 2 ? checked - 2 : 0;
  auto wrong = check_head_bytes(std::string_view(in).substr(0, length).substr(again));
  if (again > 0 && wrong && in[again] == '\n') {  // its CR stands before what was looked at
    wrong = check_head_bytes(std::string_view(in).substr(0, length));
  }
  if (!wrong && length > limits.head_bytes) {
    wrong = HttpFault{431, fmt::format("The request head is larger than {} bytes", limits.head_bytes)};
  }
  if (wrong) return refuse(*wrong), false;
  checked = in.size();
  if (end == std::string::npos) return false;
  parser.emplace(limits.body_bytes);
  if (auto fault = parser->head(std::string_view(in).substr(0, length))) return refuse(*fault), false;
  in.erase(0, length);
  state = State::body;
  deadline = now + limits.body_timeout;
  if (parser->expects_continue() && !parser->complete() && in.empty())
    out.append("HTTP/1.1 100 Continue\r\n\r\n");
  return true;
}

// True once the request is whole.
bool HttpDialog::Impl::read_body() {
  if (!parser->complete() && !in.empty()) {
    std::size_t taken = 0;
    if (auto fault = parser->body(in, taken)) return refuse(*fault), false;
    in.erase(0, taken);
  }
  return parser->complete();
}

void HttpDialog::Impl::after_parsing() {
  last = last || !parser->keep_alive() || ++served >= limits.requests;
  request = parser->take();
  request->peer = peer;
  request->tls = tls;
  head_request = request->method == "HEAD";
  parser.reset();
  state = State::serving;
  deadline = never;  // the owner always answers
}

void HttpDialog::Impl::process(Instant now) {
  if (state == State::head && !read_head(now)) return;
  if (state == State::body && read_body()) after_parsing();
}

void HttpDialog::Impl::next_request(Instant now) {
  state = last ? State::closed : State::head;
  checked = 0;
  deadline = last ? never : now + limits.idle_timeout;
  if (!last && !in.empty()) process(now);
}

HttpDialog::HttpDialog(HttpLimits limits, ErrorPage error_page)
    : impl_(std::make_unique<Impl>(limits, error_page)) {}
HttpDialog::~HttpDialog() = default;

void HttpDialog::on_open(const wire::PeerInfo& peer, const wire::TlsInfo* tls, Instant now) {
  impl_->peer = peer;
  impl_->tls = tls != nullptr;
  impl_->deadline = now + impl_->limits.idle_timeout;
}

void HttpDialog::on_tls(const wire::TlsInfo&, Instant) { RELAY_ASSERT(false); }  // never asked for

void HttpDialog::on_bytes(std::string_view bytes, Instant now) {
  if (impl_->state == Impl::State::closed) return;
  impl_->in += bytes;
  impl_->process(now);
}

void HttpDialog::on_timeout(Instant) {
  if (impl_->state == Impl::State::closed) return;
  if (impl_->state == Impl::State::head && impl_->in.empty()) {
    impl_->state = Impl::State::closed;  // idle: nothing is owed
    impl_->deadline = never;
  } else {
    impl_->refuse({408, "The request did not come in time"});
  }
}

void HttpDialog::on_closed(const wire::Closed&, Instant) {
  impl_->state = Impl::State::closed;
  impl_->deadline = never;
}

wire::Output& HttpDialog::output() { return impl_->out; }

wire::Want HttpDialog::wants() const {
  if (impl_->state == Impl::State::closed) return wire::Want::close;
  return impl_->state == Impl::State::serving ? wire::Want::hold : wire::Want::bytes;
}

Instant HttpDialog::deadline() const { return impl_->deadline; }

std::optional<HttpRequest> HttpDialog::take_request() { return std::exchange(impl_->request, std::nullopt); }

void HttpDialog::respond(HttpResponse response, WallTime date, Instant now) {
  if (impl_->state != Impl::State::serving) return;  // closed meanwhile
  impl_->send(response, "Date: " + http_date(date) + "\r\n", !impl_->head_request);
  impl_->next_request(now);
}

void HttpDialog::shut_down(Instant) {
  impl_->last = true;
  if (impl_->state == Impl::State::head && impl_->in.empty()) impl_->state = Impl::State::closed;
}

}  // namespace relay::net
