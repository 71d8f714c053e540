// HttpParser: one request of HTTP/1.1 out of bytes, by llhttp; and the checks of the head that a parser made
// for clients and servers alike leaves out. Pure. Internal to HttpDialog.
//
// The head is checked and parsed whole, the body as it comes. Bare CR or LF, NUL, obs-fold (RFC 9112 5.2),
// Content-Length beside Transfer-Encoding or given twice (6.3), and a missing or repeated Host (3.2) are
// refused: each is a way to make two parsers see different requests.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mta/net/http_dialog.h"

namespace relay::net {

struct HttpFault {
  int status = 400;
  std::string detail;
};

// What is wrong with the line ends and bytes of a head, whole or not yet; nullopt if nothing is.
std::optional<HttpFault> check_head_bytes(std::string_view head);

class HttpParser {
 public:
  explicit HttpParser(std::uint64_t body_limit);
  ~HttpParser();

  // A whole head, with the empty line that ends it.
  std::optional<HttpFault> head(std::string_view bytes);
  // Body bytes after it; `taken` says how many belonged to this request.
  std::optional<HttpFault> body(std::string_view bytes, std::size_t& taken);
  bool complete() const;
  bool expects_continue() const;
  bool keep_alive() const;
  HttpRequest take();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace relay::net
