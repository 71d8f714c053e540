// Client: requests to relayd's administration door, HTTP/1.1 over a Unix socket, by libcurl.
//
// One request at a time, on the calling thread, with a deadline. That relayd cannot be reached is Errc::
// unavailable with a sentence that says what to do; what relayd answers, also a refusal, is a Reply.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "mta/base/result.h"

namespace relay::ctl {

struct Reply {
  int status = 0;
  std::string content_type;
  std::string body;
};

// Method, path with query, JSON body if any. Client is one; tests bring their own.
using Transport = std::function<Result<Reply>(const std::string& method, const std::string& path,
                                              const std::optional<std::string>& body)>;

class Client {
 public:
  explicit Client(std::string socket_path);
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  Result<Reply> call(const std::string& method, const std::string& path,
                     const std::optional<std::string>& body);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Where relayd listens: `given` (--socket) if not empty, else RELAY_SOCKET, else var/relay.sock if it exists
// (the demo of ./run), else /run/relay/relay.sock.
std::string socket_path(const std::string& given, const char* environment);

}  // namespace relay::ctl
