#include "tests/bench/start/load.h"

#include "tests/bench/start/child.h"
#include "tests/bench/start/http.h"

namespace relay::bench {
namespace {

std::string message_json(std::uint64_t number) {
  std::string text;
  while (text.size() < 1000) text += "A line of fresh mail. ";
  return R"({"from":"Me <me@sender.example>","to":"r)" + std::to_string(number) + "@s" +
         std::to_string(number % 4) + R"(.sink.example","subject":"Fresh","text":")" + text + "\"}";
}

}  // namespace

std::uint64_t delivered(const std::string& admin_socket) {
  return number_in(Http::local(admin_socket).request("GET", "/admin/v1/stats").body, "delivered");
}

double deliver(const Load& load) {
  const std::uint64_t before = delivered(load.admin_socket);
  const auto start = Steady::now();
  std::atomic<std::uint64_t> next = 0;
  {
    std::vector<std::jthread> senders;
    for (std::uint32_t i = 0; i < load.connections; ++i)
      senders.emplace_back([&] {
        Http http = Http::tcp(load.port);
        for (std::uint64_t n = next++; n < load.messages; n = next++)
          if (const auto answer = http.request("POST", "/v1/messages", message_json(n), load.key);
              answer.status != 202)
            give_up("a message was refused: " + answer.body);
      });
  }
  while (delivered(load.admin_socket) < before + load.messages) {
    if (seconds_since(start) > 300) give_up("fresh mail is not delivered");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return static_cast<double>(load.messages) / seconds_since(start);
}

Ping::Ping(std::uint16_t port) {
  for (int i = 0; i < 6; ++i)
    threads_.emplace_back([this, port] {
      Http http = Http::tcp(port);
      while (!stopping_) {
        const auto start = Steady::now();
        http.request("GET", "/nothing");
        const auto waited =
            std::chrono::duration_cast<std::chrono::microseconds>(Steady::now() - start).count();
        for (auto most = longest_us_.load();
             waited > most && !longest_us_.compare_exchange_weak(most, waited);) {
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
}

double Ping::stop() {
  stopping_ = true;
  for (auto& thread : threads_) thread.join();
  threads_.clear();
  return static_cast<double>(longest_us_) / 1000;
}

}  // namespace relay::bench
