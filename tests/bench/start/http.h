// Http: a kept-alive HTTP connection to the relay, blocking, for driving it and asking it.
#pragma once
#include <cstdint>
#include <string>

namespace relay::bench {

class Http {
 public:
  static Http tcp(std::uint16_t port);
  static Http local(const std::string& path);
  ~Http();
  Http(Http&& other) noexcept;
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;

  struct Answer {
    int status = 0;
    std::string body;
  };
  Answer request(const std::string& method, const std::string& target, const std::string& body = {},
                 const std::string& key = {});

 private:
  explicit Http(int descriptor) : descriptor_(descriptor) {}
  void send(const std::string& text);
  void receive();
  int descriptor_ = -1;
  std::string buffer_;
};

void wait_until_accepting(std::uint16_t port);
// The number behind "name": in a JSON text, the first there is.
std::uint64_t number_in(const std::string& json, const std::string& name);

}  // namespace relay::bench
