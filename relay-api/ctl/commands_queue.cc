// relayctl queue …
#include <fmt/format.h>

#include <boost/json.hpp>
#include <ostream>

#include "relay-api/ctl/commands.h"
#include "relay-api/ctl/table.h"
#include "relay-api/query.h"

namespace relay::ctl {
namespace json = boost::json;
namespace {

using enum Column::Align;

// What each control is called once it is done.
std::string done_words(const std::string& verb, std::uint64_t changed) {
  const std::string recipients = counted(changed, "recipient", "recipients");
  if (verb == "retry") return fmt::format("{} to be tried now", recipients);
  if (verb == "hold") return fmt::format("{} held", recipients);
  if (verb == "release") return fmt::format("{} released", recipients);
  return fmt::format("{} cancelled", recipients);
}

int control_once(Session& session, const std::string& verb, const json::object& selection,
                 const std::string& prefix) {
  const auto answer = ask(session, "POST", "/admin/v1/queue/" + verb, json::serialize(selection));
  if (!answer) return answer.error();
  const json::object& result = answer->get_object();
  const std::uint64_t in_flight = number_of(result, "in_flight");
  const std::uint64_t damaged = number_of(result, "damaged");
  session.out << prefix << done_words(verb, number_of(result, "changed"));
  if (in_flight > 0)
    session.out << "; " << in_flight << (in_flight == 1 ? " is" : " are")
                << " being delivered at this moment and left alone";
  if (damaged > 0)
    session.out << "; of " << damaged
                << " the record is damaged: that lasts until relayd is started again, as its log says";
  session.out << ".\n";
  return exit_ok;
}

void add_parameter(std::string& path, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  path += path.find('?') == std::string::npos ? '?' : '&';
  path += fmt::format("{}={}", name, api::encode_percent(value));
}

// What damage has left nothing of is a dash; its sentence follows the table.
std::vector<std::string> queue_row(const json::object& row, WallTime now) {
  const bool unknown = text_of(row, "address").empty();
  const std::string from = text_of(row, "reverse_path");
  return {text_of(row, "message"),
          unknown ? "(damaged)" : text_of(row, "address"),
          text_of(row, "status"),
          or_dash(text_of(row, "attempts")),
          until(text_of(row, "next_attempt_at"), now),
          unknown        ? "-"
          : from.empty() ? "<>"
                         : from,
          unknown ? "-" : size_words(number_of(row, "size"))};
}

}  // namespace

int queue_list(Session& session, const QueueListOptions& options) {
  std::string path = "/admin/v1/queue";
  add_parameter(path, "limit", std::to_string(options.limit));
  add_parameter(path, "domain", options.domain);
  add_parameter(path, "status", options.status);
  add_parameter(path, "after", options.after);
  const auto answer = ask(session, "GET", path);
  if (!answer) return answer.error();
  Table table({{"MESSAGE"},
               {"RECIPIENT", left, true},
               {"STATUS"},
               {"TRIES", right},
               {"NEXT", right},
               {"FROM", left, true},
               {"SIZE", right}});
  std::vector<std::string> damage;
  for (const json::value& entry : list_of(answer->get_object(), "data")) {
    const json::object& row = entry.as_object();
    table.add(queue_row(row, session.now));
    add_damage(damage, row, text_of(row, "message"));
  }
  if (table.empty())
    session.out << "Nothing is in the queue"
                << (options.domain.empty() && options.status.empty() ? "" : " that fits") << ".\n";
  else
    session.out << table.render(session.width);
  say_damage(session, damaged_list, damage);
  const std::string next = text_of(answer->get_object(), "next");
  if (!next.empty()) session.out << "There is more: add --after " << safe_text(next) << "\n";
  return exit_ok;
}

int queue_show(Session& session, const std::string& id) {
  const auto answer = ask(session, "GET", "/admin/v1/messages/" + api::encode_percent(id) + "/why");
  if (!answer) return answer.error();
  const json::object& message = answer->get_object();
  say_damage(session, damaged_one, damage_of(message));
  Table table({{"RECIPIENT", left, true},
               {"STATUS"},
               {"TRIES", right},
               {"NEXT", right},
               {"LAST ANSWER", left, true}});
  for (const json::value& entry : list_of(message, "recipients")) {
    const json::object& row = entry.as_object();
    const std::string status = text_of(row, "status");
    if (status != "queued" && status != "held") continue;
    const std::string last = outcome_of(row, "last_reply", "last_error");
    table.add({text_of(row, "address"), status, text_of(row, "attempts"),
               until(text_of(row, "next_attempt_at"), session.now), or_dash(last)});
  }
  if (table.empty()) {
    session.err << "relayctl: nothing of " << safe_text(id) << " is in the queue; the message is "
                << safe_text(text_of(message, "status")) << "\n";
    return exit_refused;
  }
  session.out << table.render(session.width);
  return exit_ok;
}

int queue_control(Session& session, const std::string& verb, const ControlOptions& options) {
  if (options.all) return control_once(session, verb, {{"all", true}}, "");
  if (!options.domain.empty()) return control_once(session, verb, {{"domain", options.domain}}, "");
  int worst = exit_ok;
  for (const std::string& id : options.ids) {
    const int code = control_once(session, verb, {{"id", id}}, options.ids.size() > 1 ? id + ": " : "");
    if (code == exit_unreachable) return code;
    worst = std::max(worst, code);
  }
  return worst;
}

}  // namespace relay::ctl
