// Fresh mail at full speed, and how long the relay's loops let a request wait meanwhile.
#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace relay::bench {

// Sends `messages` by HTTP over so many connections at once, waits until all are delivered; messages a
// second.
struct Load {
  std::uint16_t port = 0;
  std::string admin_socket;
  std::string key;
  std::uint64_t messages = 20'000;
  std::uint32_t connections = 32;
};
double deliver(const Load& load);
std::uint64_t delivered(const std::string& admin_socket);

// Asks for nothing over several connections, so that every loop has some, until it goes.
class Ping {
 public:
  explicit Ping(std::uint16_t port);
  ~Ping() { stop(); }
  double stop();  // the longest any request has waited, in milliseconds

 private:
  std::atomic<bool> stopping_ = false;
  std::atomic<std::int64_t> longest_us_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace relay::bench
