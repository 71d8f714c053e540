// HttpDialog: the server's side of HTTP/1.1 (RFC 9112) as a Dialog, parsing by llhttp (strict). Pure; see
// dialog.h.
//
// One request at a time: parsed whole (head, then body up to the limit), handed over as an action, answered
// in order. Keep-alive and pipelining; Expect: 100-continue. Malformed input is answered with 400, too much
// with 413 or 431, a late body with 408, and the connection is closed. No trailers, no upgrade.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mta/wire/dialog.h"

namespace relay::net {

struct HttpLimits {
  std::size_t head_bytes = 16 * 1024;
  std::uint64_t body_bytes = 40u << 20;              // 25 MiB of attachments in base64, and text
  std::uint32_t requests = 1000;                     // a connection
  Duration idle_timeout = std::chrono::seconds(75);  // between requests
  Duration head_timeout = std::chrono::seconds(10);
  Duration body_timeout = std::chrono::seconds(120);
};

struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // as sent, without the query
  std::string query;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  wire::PeerInfo peer;
  bool tls = false;
  const std::string* header(std::string_view lower_case_name) const;  // the first, or null
};

struct HttpResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;  // Content-Length, Connection and Date are added
  std::string body;
};

class HttpDialog final : public wire::Dialog {
 public:
  // error_body makes the body and content type for errors found here: (status, sentence) -> response.
  using ErrorPage = HttpResponse (*)(int status, std::string_view detail);
  HttpDialog(HttpLimits limits, ErrorPage error_page);
  ~HttpDialog() override;

  void on_open(const wire::PeerInfo& peer, const wire::TlsInfo* tls, Instant now) override;
  void on_tls(const wire::TlsInfo& tls, Instant now) override;
  void on_bytes(std::string_view bytes, Instant now) override;
  void on_timeout(Instant now) override;
  void on_closed(const wire::Closed& why, Instant now) override;
  wire::Output& output() override;
  wire::Want wants() const override;
  Instant deadline() const override;

  std::optional<HttpRequest> take_request();
  void respond(HttpResponse response, WallTime date, Instant now);  // once after each take_request
  void shut_down(Instant now);                                      // close after the answer owed, or at once

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace relay::net
