// relayctl message … and relayctl why
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

void say(Session& session, std::string_view name, std::string_view value) {
  if (!value.empty()) session.out << fmt::format("{:<12}{}\n", name, safe_text(value));
}

std::string joined(const json::array& entries) {
  std::string all;
  for (const json::value& entry : entries) {
    if (!entry.is_string()) continue;
    if (!all.empty()) all += ", ";
    all.append(entry.get_string().data(), entry.get_string().size());
  }
  return all;
}

// Those that were given; a stream only if it is not the usual one.
void say_attributes(Session& session, const json::object& message) {
  if (const json::value* metadata = message.if_contains("metadata"); metadata && metadata->is_object())
    for (const auto& [name, value] : metadata->get_object())
      if (value.is_string())
        say(session, "Metadata",
            fmt::format("{}: {}", std::string_view(name.data(), name.size()),
                        std::string_view(value.get_string().data(), value.get_string().size())));
  if (text_of(message, "stream") != "transactional") say(session, "Stream", text_of(message, "stream"));
  if (const json::value* sandbox = message.if_contains("sandbox"); sandbox && *sandbox == true)
    say(session, "Sandbox", "yes: nothing of it was sent");
  say(session, "Idempotency", text_of(message, "idempotency_key"));
  if (const std::string at = text_of(message, "scheduled_at"); !at.empty())
    say(session, "Scheduled", fmt::format("{}, {}", moment(at), until(at, session.now)));
  say(session, "Envelope ID", text_of(message, "envelope_id"));
  say(session, "DSN returns", text_of(message, "dsn_return"));
  for (const json::value& entry : list_of(message, "recipients")) {
    const json::object& recipient = entry.as_object();
    const std::string original = text_of(recipient, "original_recipient");
    const std::string notify = joined(list_of(recipient, "notify"));
    if (!notify.empty() || !original.empty())
      say(session, "DSN wishes",
          fmt::format("{}: {}{}{}", text_of(recipient, "address"), notify.empty() ? "as usual" : notify,
                      original.empty() ? "" : ", original ", original));
  }
}

void say_head(Session& session, const json::object& message) {
  say(session, "Message", text_of(message, "id"));
  say(session, "Status", text_of(message, "status"));
  say(session, "From", text_of(message, "from"));
  say(session, "Subject", text_of(message, "subject"));
  say(session, "Accepted",
      fmt::format("{} by {}, account {}", moment(text_of(message, "created_at")),
                  text_of(message, "origin") == "smtp" ? "SMTP" : "HTTP", text_of(message, "account")));
  say(session, "Message-ID", text_of(message, "message_id"));
  say(session, "Size", size_words(number_of(message, "size")));
  say(session, "Tags", joined(list_of(message, "tags")));
  say_attributes(session, message);
}

// An attempt or a change in one row; `with_recipient` when several recipients' stand together.
Table event_table(const json::array& events, bool with_recipient) {
  std::vector<Column> columns{{"WHEN"}, {"EVENT"}};
  if (with_recipient) columns.push_back({"RECIPIENT", left, true});
  columns.push_back({"HOST", left, true});
  columns.push_back({"ANSWER", left, true});
  Table table(std::move(columns));
  for (const json::value& entry : events) {
    const json::object& event = entry.as_object();
    std::string answer = outcome_of(event, "reply", "detail");
    const json::value* in_doubt = event.if_contains("in_doubt");
    if (in_doubt != nullptr && in_doubt->is_bool() && in_doubt->get_bool()) answer += " (in doubt)";
    std::vector<std::string> row{moment(text_of(event, "at")), text_of(event, "type")};
    if (with_recipient) row.push_back(text_of(event, "recipient"));
    row.push_back(text_of(event, "host"));
    row.push_back(std::move(answer));
    table.add(std::move(row));
  }
  return table;
}

std::string message_path(const std::string& id) { return "/admin/v1/messages/" + api::encode_percent(id); }

}  // namespace

int message_list(Session& session, const MessageListOptions& options) {
  std::string path = fmt::format("/admin/v1/messages?limit={}", options.limit);
  if (!options.account.empty()) path += "&account=" + api::encode_percent(options.account);
  if (!options.before.empty()) path += "&before=" + api::encode_percent(options.before);
  const auto answer = ask(session, "GET", path);
  if (!answer) return answer.error();
  Table table({{"MESSAGE"}, {"ACCEPTED"}, {"STATUS"}, {"TO", left, true}, {"SUBJECT", left, true}});
  std::vector<std::string> damage;
  for (const json::value& entry : list_of(answer->get_object(), "data")) {
    const json::object& row = entry.as_object();
    const bool unknown = text_of(row, "status") == "unknown";  // then nothing else is known
    table.add({text_of(row, "id"), moment(text_of(row, "created_at")), text_of(row, "status"),
               unknown ? "(damaged)" : joined(list_of(row, "to")), unknown ? "-" : text_of(row, "subject")});
    add_damage(damage, row, text_of(row, "id"));
  }
  if (table.empty())
    session.out << "There are no messages.\n";
  else
    session.out << table.render(session.width);
  say_damage(session, damaged_list, damage);
  const std::string next = text_of(answer->get_object(), "next");
  if (!next.empty()) session.out << "There is more: add --before " << safe_text(next) << "\n";
  return exit_ok;
}

int message_show(Session& session, const std::string& id) {
  const auto answer = ask(session, "GET", message_path(id));
  if (!answer) return answer.error();
  const json::object& message = answer->get_object();
  say_head(session, message);
  say_damage(session, damaged_one, damage_of(message));
  Table recipients({{"RECIPIENT", left, true},
                    {"STATUS"},
                    {"TRIES", right},
                    {"NEXT", right},
                    {"LAST ANSWER", left, true}});
  for (const json::value& entry : list_of(message, "recipients")) {
    const json::object& row = entry.as_object();
    recipients.add({text_of(row, "address"), text_of(row, "status"), text_of(row, "attempts"),
                    until(text_of(row, "next_attempt_at"), session.now),
                    outcome_of(row, "last_reply", "last_error")});
  }
  session.out << "\n" << recipients.render(session.width);
  session.out << "\n" << event_table(list_of(message, "events"), true).render(session.width);
  return exit_ok;
}

int message_content(Session& session, const std::string& id) {
  const bool json_asked = session.json;
  const auto reply = session.call("GET", message_path(id) + "/content", std::nullopt);
  if (!reply || reply->status >= 400) {
    Session again{[&](const auto&, const auto&, const auto&) { return reply; },
                  session.out,
                  session.err,
                  session.width,
                  json_asked,
                  session.now};
    const auto said = ask(again, "GET", "");
    return said ? exit_refused : said.error();
  }
  session.out << reply->body;  // the message as it is, for a file or a pipe
  return exit_ok;
}

int why(Session& session, const std::string& id) {
  const auto answer = ask(session, "GET", message_path(id) + "/why");
  if (!answer) return answer.error();
  const json::object& message = answer->get_object();
  session.out << fmt::format("{} is {}.\n", safe_text(text_of(message, "id")),
                             safe_text(text_of(message, "status")));
  say_damage(session, damaged_one, damage_of(message));
  const json::array& recipients = list_of(message, "recipients");
  if (recipients.size() > 1) session.out << wrap(text_of(message, "sentence"), session.width);
  for (const json::value& entry : recipients) {
    const json::object& row = entry.as_object();
    session.out << "\n" << safe_text(text_of(row, "address")) << "\n";
    session.out << wrap(text_of(row, "sentence"), session.width, "  ");
    const json::array& history = list_of(row, "history");
    if (!history.empty()) session.out << event_table(history, false).render(session.width);
  }
  return exit_ok;
}

}  // namespace relay::ctl
