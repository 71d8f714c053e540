// relayctl key … and relayctl stats
#include <fmt/format.h>

#include <boost/json.hpp>
#include <ostream>

#include "relay-api/ctl/commands.h"
#include "relay-api/ctl/table.h"
#include "relay-api/query.h"

namespace relay::ctl {
namespace json = boost::json;

int key_create(Session& session, const KeyCreateOptions& options) {
  const json::object request{{"account", options.account}, {"label", options.label}};
  const auto answer = ask(session, "POST", "/admin/v1/keys", json::serialize(request));
  if (!answer) return answer.error();
  const json::object& key = answer->get_object();
  session.out << fmt::format("Key      {}\nId       {}\nAccount  {}\n", safe_text(text_of(key, "key")),
                             safe_text(text_of(key, "id")), safe_text(text_of(key, "account")));
  session.out << "Keep the key now: it is not stored and cannot be shown again.\n";
  return exit_ok;
}

int key_list(Session& session) {
  const auto answer = ask(session, "GET", "/admin/v1/keys");
  if (!answer) return answer.error();
  Table table({{"ID"}, {"ACCOUNT"}, {"CREATED"}, {"REVOKED"}, {"LABEL", Column::Align::left, true}});
  for (const json::value& entry : list_of(answer->get_object(), "data")) {
    const json::object& row = entry.as_object();
    table.add({text_of(row, "id"), text_of(row, "account"), moment(text_of(row, "created_at")),
               moment(text_of(row, "revoked_at")), text_of(row, "label")});
  }
  if (table.empty())
    session.out << "There are no keys; make one with: relayctl key create\n";
  else
    session.out << table.render(session.width);
  return exit_ok;
}

int key_revoke(Session& session, const std::string& id) {
  const auto answer = ask(session, "POST", "/admin/v1/keys/" + api::encode_percent(id) + "/revoke", "{}");
  if (!answer) return answer.error();
  session.out << fmt::format("The key {} does not count any more.\n",
                             safe_text(text_of(answer->get_object(), "id")));
  return exit_ok;
}

int stats(Session& session) {
  const auto answer = ask(session, "GET", "/admin/v1/stats");
  if (!answer) return answer.error();
  // One row a number: its group, its name as the API has it, its value.
  Table table({{"GROUP"}, {"WHAT"}, {"NUMBER", Column::Align::right}});
  for (const auto& group : answer->get_object()) {
    if (!group.value().is_object()) continue;
    for (const auto& member : group.value().get_object()) {
      std::string name(member.key().data(), member.key().size());
      std::replace(name.begin(), name.end(), '_', ' ');
      table.add({std::string(group.key().data(), group.key().size()), std::move(name),
                 json::serialize(member.value())});
    }
  }
  session.out << table.render(session.width);
  return exit_ok;
}

}  // namespace relay::ctl
