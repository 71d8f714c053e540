#include "mta/net/http_parser.h"

#include <fmt/format.h>
#include <llhttp.h>

#include <algorithm>
#include <utility>

namespace relay::net {
namespace {

HttpFault fault(int status, std::string detail) { return {status, std::move(detail)}; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.pop_back();
  text.erase(0, std::min(text.find_first_not_of(" \t"), text.size()));
  return text;
}

}  // namespace

std::optional<HttpFault> check_head_bytes(std::string_view head) {
  for (std::size_t i = 0; i < head.size(); ++i) {
    char c = head[i];
    if (c == '\0') return fault(400, "NUL in the request head");
    if (c == '\n' && (i == 0 || head[i - 1] != '\r')) return fault(400, "LF without CR in the request head");
    if (c == '\r' && i + 1 < head.size() && head[i + 1] != '\n') {
      return fault(400, "CR without LF in the request head");
    }
    if ((c == ' ' || c == '\t') && i >= 2 && head[i - 1] == '\n') return fault(400, "Folded header field");
  }
  return std::nullopt;
}

struct HttpParser::Impl {
  explicit Impl(std::uint64_t limit) : body_limit(limit) {
    llhttp_settings_init(&settings);
    settings.on_url = [](llhttp_t* p, const char* at, std::size_t n) { return of(p).url.append(at, n), 0; };
    settings.on_header_field = [](llhttp_t* p, const char* at, std::size_t n) {
      return of(p).on_field({at, n});
    };
    settings.on_header_value = [](llhttp_t* p, const char* at, std::size_t n) {
      return of(p).on_value({at, n});
    };
    settings.on_headers_complete = [](llhttp_t* p) { return of(p).on_head(); };
    settings.on_body = [](llhttp_t* p, const char* at, std::size_t n) { return of(p).on_body({at, n}); };
    settings.on_message_complete = [](llhttp_t* p) {
      of(p).complete = true;
      return static_cast<int>(HPE_PAUSED);  // what follows is another request's
    };
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = this;
  }
  static Impl& of(llhttp_t* p) { return *static_cast<Impl*>(p->data); }

  int on_field(std::string_view part) {
    if (in_trailer()) return refuse(fault(400, "Trailer fields are not taken"));
    if (!reading_name) {
      fields.emplace_back();
      reading_name = true;
    }
    fields.back().first += part;
    return 0;
  }
  int on_value(std::string_view part) {
    reading_name = false;
    fields.back().second += part;
    return 0;
  }
  int on_head() {
    head_done = true;
    for (auto& [name, value] : fields) {
      name = lower(name);
      value = trimmed(std::move(value));
    }
    keep_alive = llhttp_should_keep_alive(&parser) == 1 && parser.http_major == 1 && parser.http_minor == 1;
    if (auto found = check_fields()) return refuse(std::move(*found));
    return 0;
  }
  int on_body(std::string_view part) {
    if (body.size() + part.size() > body_limit) {
      return refuse(fault(413, fmt::format("The request body is larger than {} bytes", body_limit)));
    }
    body += part;
    return 0;
  }
  int refuse(HttpFault why) {
    wrong = std::move(why);
    return -1;
  }
  bool in_trailer() const { return head_done; }

  std::size_t count(std::string_view name) const {
    return static_cast<std::size_t>(
        std::ranges::count(fields, name, &std::pair<std::string, std::string>::first));
  }
  std::optional<HttpFault> check_fields() const;
  std::optional<HttpFault> execute(std::string_view bytes, std::size_t& taken);
  std::optional<HttpFault> check_last_chunk(std::string_view bytes);

  std::uint64_t body_limit;
  llhttp_t parser{};
  llhttp_settings_t settings{};
  std::string url, body;
  std::vector<std::pair<std::string, std::string>> fields;
  std::optional<HttpFault> wrong;
  std::uint64_t raw_body = 0;
  char last_byte = 0;  // of the body's framing as far as it was read
  bool reading_name = false;
  bool head_done = false;
  bool complete = false;
  bool keep_alive = false;
  bool expects_continue = false;
};

std::optional<HttpFault> HttpParser::Impl::check_fields() const {
  if (parser.http_major != 1 || parser.http_minor > 1)
    return fault(505, "Only HTTP/1.0 and HTTP/1.1 are spoken");
  std::size_t hosts = count("host");
  if (hosts > 1 || (hosts == 0 && parser.http_minor == 1))
    return fault(400, "Exactly one Host field is needed");
  if (count("content-length") > 1) return fault(400, "Content-Length is given twice");
  if (count("content-length") == 1 && count("transfer-encoding") > 0) {
    return fault(400, "Content-Length and Transfer-Encoding exclude each other");
  }
  if (count("transfer-encoding") > 1) return fault(400, "Transfer-Encoding is given twice");
  for (const auto& [name, value] : fields) {
    if (name.empty()) return fault(400, "A header field has no name");
    if (name == "content-length" &&
        (value.empty() || !std::ranges::all_of(value, [](char c) { return c >= '0' && c <= '9'; }))) {
      return fault(400, "Content-Length is not a number");
    }
    if (name == "transfer-encoding" && lower(value) != "chunked")
      return fault(501, "Only chunked coding is understood");
    if (name == "expect" && lower(value) != "100-continue")
      return fault(417, "That expectation cannot be met");
  }
  if (parser.method == HTTP_CONNECT) return fault(501, "CONNECT is not offered");
  if (parser.content_length > body_limit && count("content-length") == 1) {
    return fault(413, fmt::format("The request body is larger than {} bytes", body_limit));
  }
  return std::nullopt;
}

// llhttp lets a bare LF stand for the empty line after the last chunk (RFC 9112 7.1 asks for CRLF).
std::optional<HttpFault> HttpParser::Impl::check_last_chunk(std::string_view bytes) {
  if (bytes.empty()) return std::nullopt;
  const char before = bytes.size() > 1 ? bytes[bytes.size() - 2] : last_byte;
  last_byte = bytes.back();
  if (complete && count("transfer-encoding") > 0 && before != '\r')
    return fault(400, "LF without CR after the last chunk");
  return std::nullopt;
}

std::optional<HttpFault> HttpParser::Impl::execute(std::string_view bytes, std::size_t& taken) {
  taken = bytes.size();
  llhttp_errno_t code = llhttp_execute(&parser, bytes.data(), bytes.size());
  if (code == HPE_OK) return std::nullopt;
  if (complete && (code == HPE_PAUSED || code == HPE_PAUSED_UPGRADE)) {
    const char* at = llhttp_get_error_pos(&parser);
    taken = at ? static_cast<std::size_t>(at - bytes.data()) : bytes.size();
    return std::nullopt;
  }
  if (wrong) return wrong;
  const char* reason = llhttp_get_error_reason(&parser);
  return fault(400, fmt::format("Malformed request: {}", reason ? reason : llhttp_errno_name(code)));
}

HttpParser::HttpParser(std::uint64_t body_limit) : impl_(std::make_unique<Impl>(body_limit)) {}
HttpParser::~HttpParser() = default;

std::optional<HttpFault> HttpParser::head(std::string_view bytes) {
  std::size_t taken = 0;
  if (auto wrong = impl_->execute(bytes, taken)) return wrong;
  if (!impl_->head_done) return fault(400, "Malformed request head");
  // RFC 9110 10.1.1: a client of HTTP/1.0 does not know the answer.
  impl_->expects_continue = impl_->count("expect") > 0 && impl_->parser.http_minor == 1;
  return std::nullopt;
}

std::optional<HttpFault> HttpParser::body(std::string_view bytes, std::size_t& taken) {
  // Chunks of one byte cost six on the wire: framing is bounded too.
  impl_->raw_body += bytes.size();
  if (impl_->raw_body > impl_->body_limit * 2 + 65536)
    return fault(413, "The request body has too many small chunks");
  auto wrong = impl_->execute(bytes, taken);
  if (!wrong) wrong = impl_->check_last_chunk(bytes.substr(0, taken));
  return wrong;
}

bool HttpParser::complete() const { return impl_->complete; }
bool HttpParser::expects_continue() const { return impl_->expects_continue; }
bool HttpParser::keep_alive() const { return impl_->keep_alive; }

HttpRequest HttpParser::take() {
  HttpRequest request;
  request.method = llhttp_method_name(static_cast<llhttp_method_t>(impl_->parser.method));
  // absolute-form (RFC 9112 3.2.2): the authority is of no interest here
  std::string_view url = impl_->url;
  if (lower(url.substr(0, 7)) == "http://" || lower(url.substr(0, 8)) == "https://") {
    std::size_t slash = url.find('/', 8);
    url = slash == std::string_view::npos ? "/" : url.substr(slash);
  }
  std::size_t question = url.find('?');
  request.path = url.substr(0, question);
  if (question != std::string_view::npos) request.query = url.substr(question + 1);
  request.headers = std::move(impl_->fields);
  request.body = std::move(impl_->body);
  return request;
}

}  // namespace relay::net
