// relayctl tls …, and what status says of certificates
#include <fmt/format.h>

#include <boost/json.hpp>
#include <ostream>

#include "relay-api/ctl/commands.h"
#include "relay-api/ctl/table.h"

namespace relay::ctl {
namespace json = boost::json;
namespace {

// "in 3d4h", "has expired".
std::string end_words(const std::string& not_after, WallTime now) {
  const std::string left = until(not_after, now);
  return left == "now" ? "has expired" : "expires in " + left;
}

std::string names_words(const json::object& certificate) {
  std::string all;
  for (const json::value& name : list_of(certificate, "names"))
    if (name.is_string()) all += (all.empty() ? "" : ", ") + std::string(name.get_string().c_str());
  return all.empty() ? "no names" : all;
}

}  // namespace

std::vector<std::string> certificate_lines(const json::object& tls, WallTime now) {
  std::vector<std::string> lines;
  for (const json::value& entry : list_of(tls, "certificates")) {
    if (!entry.is_object()) continue;
    const json::object& one = entry.get_object();
    const std::string end = text_of(one, "not_after");
    lines.push_back(fmt::format("{} ({}), {}, {}", text_of(one, "file"), names_words(one),
                                end_words(end, now), moment(end)));
  }
  if (const std::string why = text_of(tls, "failure"); !why.empty())
    lines.push_back("these are not what the files hold now: " + why);
  return lines;
}

int tls_reload(Session& session) {
  const auto answer = ask(session, "POST", "/admin/v1/tls/reload", "{}");
  if (!answer) return answer.error();
  session.out << "The certificates have been read anew; new connections are shown these:\n";
  for (const std::string& line : certificate_lines(answer->get_object(), session.now))
    session.out << safe_text(line) << "\n";
  return exit_ok;
}

}  // namespace relay::ctl
