#include "relay-api/ctl/client.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <thread>

using namespace relay;
using namespace relay::ctl;

namespace {

struct Directory {
  std::filesystem::path path;
  Directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ctl-test-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~Directory() { std::filesystem::remove_all(path); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
};

int bound_socket(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

}  // namespace

TEST_CASE("a relayd that is not there is said to be not there") {
  const Directory directory;
  const std::string path = directory.path / "relay.sock";
  const auto none = Client(path).call("GET", "/", std::nullopt);
  REQUIRE(!none);
  CHECK(none.error().code == Errc::unavailable);
  CHECK(none.error().message.find("there is no socket " + path) != std::string::npos);

  const int fd = bound_socket(path);  // bound, but nobody listens: what a crash leaves behind
  const auto stale = Client(path).call("GET", "/", std::nullopt);
  close(fd);
  REQUIRE(!stale);
  CHECK(stale.error().message == "relayd is not running: nothing listens on " + path);
}

TEST_CASE("a request goes over the socket and its answer comes back") {
  const Directory directory;
  const std::string path = directory.path / "relay.sock";
  const int fd = bound_socket(path);
  REQUIRE(listen(fd, 1) == 0);
  std::string request;
  std::thread server([&] {
    const int peer = accept(fd, nullptr, nullptr);
    char buffer[4096];
    while (request.find("{\"a\":1}") == std::string::npos) {
      const ssize_t n = read(peer, buffer, sizeof buffer);
      if (n <= 0) break;
      request.append(buffer, static_cast<std::size_t>(n));
    }
    const std::string answer =
        "HTTP/1.1 409 Conflict\r\nContent-Type: application/problem+json\r\nContent-Length: 2\r\n\r\n{}";
    CHECK(write(peer, answer.data(), answer.size()) == static_cast<ssize_t>(answer.size()));
    close(peer);
  });
  const auto reply = Client(path).call("POST", "/admin/v1/x?y=1", R"({"a":1})");
  server.join();
  close(fd);
  REQUIRE(reply);
  CHECK(reply->status == 409);
  CHECK(reply->content_type == "application/problem+json");
  CHECK(reply->body == "{}");
  CHECK(request.starts_with("POST /admin/v1/x?y=1 HTTP/1.1\r\n"));
  CHECK(request.find("Content-Type: application/json\r\n") != std::string::npos);
}

TEST_CASE("where the socket is looked for") {
  CHECK(socket_path("/given", "/environment") == "/given");
  CHECK(socket_path("", "/environment") == "/environment");
  CHECK(socket_path("", "") == socket_path("", nullptr));
}
