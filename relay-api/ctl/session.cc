#include "relay-api/ctl/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <ostream>

#include "relay-api/ctl/table.h"

namespace relay::ctl {
namespace json = boost::json;
namespace {

// The sentence of a problem, and every fault on a line of its own.
void say_problem(Session& session, const Reply& reply) {
  json::error_code ignored;
  const json::value value = json::parse(reply.body, ignored);
  if (ignored || !value.is_object()) {
    session.err << "relayctl: relayd answered with status " << reply.status << "\n";
    return;
  }
  const json::object& problem = value.get_object();
  session.err << "relayctl: " << safe_text(text_of(problem, "detail")) << "\n";
  for (const json::value& entry : list_of(problem, "errors")) {
    if (!entry.is_object()) continue;
    const std::string where =
        text_of(entry.get_object(), "pointer") + text_of(entry.get_object(), "parameter");
    session.err << "  " << safe_text(where) << (where.empty() ? "" : ": ")
                << safe_text(text_of(entry.get_object(), "detail")) << "\n";
  }
}

}  // namespace

std::expected<json::value, int> ask(Session& session, const std::string& method, const std::string& path,
                                    const std::optional<std::string>& body) {
  const auto reply = session.call(method, path, body);
  if (!reply) {
    session.err << "relayctl: " << reply.error().message << "\n";
    return std::unexpected(exit_unreachable);
  }
  const bool refused = reply->status >= 400;
  if (session.json) {
    session.out << reply->body << "\n";
    return std::unexpected(refused ? exit_refused : exit_ok);
  }
  if (refused) {
    say_problem(session, *reply);
    return std::unexpected(exit_refused);
  }
  json::error_code ec;
  json::value value = json::parse(reply->body, ec);
  if (!ec && value.is_object()) return value;
  session.err << "relayctl: what answers on the socket does not speak relayd's API\n";
  return std::unexpected(exit_unreachable);
}

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains({key.data(), key.size()});
  if (value == nullptr) return {};
  if (value->is_string()) return {value->get_string().data(), value->get_string().size()};
  if (value->is_number() || value->is_bool()) return json::serialize(*value);
  return {};
}

std::uint64_t number_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains({key.data(), key.size()});
  if (value == nullptr) return 0;
  if (value->is_uint64()) return value->get_uint64();
  return value->is_int64() && value->get_int64() > 0 ? static_cast<std::uint64_t>(value->get_int64()) : 0;
}

const json::array& list_of(const json::object& object, std::string_view key) {
  static const json::array none;
  const json::value* value = object.if_contains({key.data(), key.size()});
  return value != nullptr && value->is_array() ? value->get_array() : none;
}

std::string outcome_of(const json::object& object, std::string_view reply_key, std::string_view error_key) {
  const json::value* reply = object.if_contains({reply_key.data(), reply_key.size()});
  if (reply != nullptr && reply->is_object()) return text_of(reply->get_object(), "text");
  return text_of(object, error_key);
}

std::vector<std::string> damage_of(const json::object& object) {
  std::vector<std::string> sentences;
  for (const json::value& entry : list_of(object, "damage"))
    if (entry.is_string()) sentences.emplace_back(entry.get_string().data(), entry.get_string().size());
  if (std::string one = text_of(object, "damage"); !one.empty()) sentences.push_back(std::move(one));
  return sentences;
}

void add_damage(std::vector<std::string>& all, const json::object& object, std::string_view id) {
  for (std::string& sentence : damage_of(object)) {
    const bool named = sentence.find(id) != std::string::npos;
    all.push_back(named ? std::move(sentence) : fmt::format("{}: {}", id, sentence));
  }
}

void say_damage(Session& session, std::string_view head, const std::vector<std::string>& sentences) {
  if (sentences.empty()) return;
  session.out << head << "\n";
  for (auto at = sentences.begin(); at != sentences.end(); ++at) {
    if (std::find(sentences.begin(), at, *at) != at) continue;
    std::string line = wrap(*at + ".", session.width, "  ");
    line[0] = '-';
    session.out << line;
  }
}

std::string or_dash(std::string text) { return text.empty() ? "-" : text; }

std::string moment(std::string_view rfc3339) {
  if (!parse_rfc3339(rfc3339)) return rfc3339.empty() ? "-" : std::string(rfc3339);
  return fmt::format("{} {}Z", rfc3339.substr(0, 10), rfc3339.substr(11, 8));
}

std::string until(std::string_view rfc3339, WallTime now) {
  const auto at = parse_rfc3339(rfc3339);
  if (!at) return "-";
  const std::int64_t s = std::chrono::round<std::chrono::seconds>(*at - now).count();
  if (s <= 0) return "now";
  if (s < 60) return fmt::format("{}s", s);
  if (s < 3600) return fmt::format("{}m", s / 60);
  if (s < 86400)
    return s % 3600 < 60 ? fmt::format("{}h", s / 3600) : fmt::format("{}h{}m", s / 3600, s % 3600 / 60);
  return s % 86400 < 3600 ? fmt::format("{}d", s / 86400)
                          : fmt::format("{}d{}h", s / 86400, s % 86400 / 3600);
}

std::string size_words(std::uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  if (bytes < 1'000'000) return fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1e3);
  if (bytes < 1'000'000'000) return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
  return fmt::format("{:.1f} GB", static_cast<double>(bytes) / 1e9);
}

std::string counted(std::uint64_t n, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", n, n == 1 ? one : many);
}

}  // namespace relay::ctl
