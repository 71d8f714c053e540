// relayctl lockout …
#include <fmt/format.h>

#include <boost/json.hpp>
#include <ostream>

#include "relay-api/ctl/commands.h"
#include "relay-api/ctl/table.h"

namespace relay::ctl {
namespace json = boost::json;

int lockout_list(Session& session) {
  const auto answer = ask(session, "GET", "/admin/v1/lockouts");
  if (!answer) return answer.error();
  Table table({{"KIND"}, {"WHO", Column::Align::left, true}, {"UNTIL"}, {"LEFT", Column::Align::right}});
  for (const json::value& entry : list_of(answer->get_object(), "data")) {
    const json::object& row = entry.as_object();
    const std::string end = text_of(row, "until");
    table.add({text_of(row, "kind"), text_of(row, "subject"), moment(end), until(end, session.now)});
  }
  if (table.empty())
    session.out << "Nobody is locked out.\n";
  else
    session.out << table.render(session.width);
  return exit_ok;
}

int lockout_lift(Session& session, const LiftOptions& options) {
  const json::object request =
      options.all ? json::object{{"all", true}} : json::object{{"subject", options.subject}};
  const auto answer = ask(session, "POST", "/admin/v1/lockouts/lift", json::serialize(request));
  if (!answer) return answer.error();
  session.out << counted(number_of(answer->get_object(), "lifted"), "lock-out", "lock-outs") << " lifted.\n";
  return exit_ok;
}

}  // namespace relay::ctl
