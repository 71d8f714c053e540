#include "relay-api/ctl/client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace relay::ctl {
namespace {

constexpr long deadline_seconds = 60;  // a commit on a busy disk takes a fraction of it
constexpr long connect_seconds = 5;    // a local socket connects at once, or its backlog is full

std::size_t append_body(char* data, std::size_t size, std::size_t count, void* into) {
  static_cast<std::string*>(into)->append(data, size * count);
  return size * count;
}

Error unreachable(CURLcode code, long os_error, const std::string& path) {
  const auto sentence = [&](std::string text) { return Error{Errc::unavailable, std::move(text)}; };
  if (code == CURLE_OPERATION_TIMEDOUT) return sentence(fmt::format("relayd does not answer on {}", path));
  if (code != CURLE_COULDNT_CONNECT)
    return sentence(fmt::format("the connection to relayd on {} broke: {}", path, curl_easy_strerror(code)));
  switch (os_error) {
    case ENOENT:
      return sentence(fmt::format(
          "relayd is not running, or listens elsewhere: there is no socket {} (see --socket)", path));
    case ECONNREFUSED: return sentence(fmt::format("relayd is not running: nothing listens on {}", path));
    case EACCES:
    case EPERM:
      return sentence(
          fmt::format("you may not open {}: become root or join the group the socket belongs to", path));
    default: break;
  }
  // libcurl does not always say why; the file itself does.
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored) && !ignored)
    return sentence(fmt::format(
        "relayd is not running, or listens elsewhere: there is no socket {} (see --socket)", path));
  return sentence(fmt::format(
      "relayd cannot be reached on {}: {}", path,
      os_error != 0 ? std::system_category().message(static_cast<int>(os_error)) : "connecting failed"));
}

struct FreeCurl {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

}  // namespace

struct Client::Impl {
  std::string path;
  std::unique_ptr<CURL, FreeCurl> curl;
};

Client::Client(std::string socket_path)
    : impl_(std::make_unique<Impl>(
          Impl{std::move(socket_path), std::unique_ptr<CURL, FreeCurl>(curl_easy_init())})) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Result<Reply> Client::call(const std::string& method, const std::string& path,
                           const std::optional<std::string>& body) {
  CURL* curl = impl_->curl.get();
  if (curl == nullptr) return fail(Errc::system, "libcurl cannot be initialised");
  curl_easy_reset(curl);  // keeps the connection
  Reply reply;
  std::unique_ptr<curl_slist, FreeList> headers(curl_slist_append(nullptr, "Content-Type: application/json"));
  const std::string url = "http://relay" + path;
  curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, impl_->path.c_str());
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROXY, "");  // the environment's proxy is for other hosts
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, connect_seconds);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, deadline_seconds);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply.body);
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method.c_str());
  if (body) {
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->c_str());
  }
  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) {
    long os_error = 0;
    curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_error);
    return std::unexpected(unreachable(code, os_error, impl_->path));
  }
  long status = 0;
  char* type = nullptr;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
  reply.status = static_cast<int>(status);
  if (type != nullptr) reply.content_type = type;
  return reply;
}

std::string socket_path(const std::string& given, const char* environment) {
  if (!given.empty()) return given;
  if (environment != nullptr && *environment != '\0') return environment;
  std::error_code ignored;
  if (std::filesystem::exists("var/relay.sock", ignored)) return "var/relay.sock";
  return "/run/relay/relay.sock";
}

}  // namespace relay::ctl
