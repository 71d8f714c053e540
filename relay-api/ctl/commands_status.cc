// relayctl status
#include <fmt/format.h>

#include <boost/json.hpp>
#include <ostream>

#include "relay-api/ctl/commands.h"
#include "relay-api/ctl/table.h"

namespace relay::ctl {
namespace json = boost::json;
namespace {

double real_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains({key.data(), key.size()});
  return value != nullptr && value->is_number() ? value->to_number<double>() : 0;
}

const json::object& part_of(const json::object& object, std::string_view key) {
  static const json::object none;
  const json::value* value = object.if_contains({key.data(), key.size()});
  return value != nullptr && value->is_object() ? value->get_object() : none;
}

std::string span_words(std::uint64_t seconds) {
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) return fmt::format("{} min", seconds / 60);
  if (seconds < 86400) return fmt::format("{} h {} min", seconds / 3600, seconds / 60 % 60);
  return fmt::format("{} d {} h", seconds / 86400, seconds / 3600 % 24);
}

// The storage's state in a sentence, and what to do.
std::string state_words(const json::object& spool) {
  const std::string state = text_of(spool, "state"), reason = text_of(spool, "reason");
  const std::string why = reason.empty() ? "" : ": " + reason;
  if (state == "accepting") return "takes mail";
  if (state == "busy") return "refuses mail for a moment" + why;
  if (state == "failed") return "has failed and takes nothing; check the disk, then restart relayd" + why;
  if (state == "damaged")
    return "takes no new mail, as it is damaged where that goes; see BACKUP AND REPAIR in relayd(8)" + why;
  return "refuses mail for now, and takes it again by itself" + why;
}

}  // namespace

int status(Session& session) {
  const auto answer = ask(session, "GET", "/admin/v1/status");
  if (!answer) return answer.error();
  const json::object& all = answer->get_object();
  const json::object& spool = part_of(all, "spool");
  const json::object& queue = part_of(all, "queue");
  const std::string last = text_of(spool, "last_commit_at");
  const auto line = [&](std::string_view what, const std::string& says) {
    session.out << fmt::format("{:<14}", what) << safe_text(says) << "\n";
  };
  line("relayd",
       fmt::format("{}, for {}", text_of(all, "version"), span_words(number_of(all, "uptime_seconds"))));
  line("spool", state_words(spool));
  line("durability", text_of(spool, "durability"));
  line("messages", fmt::format("{}, {} not finished", number_of(spool, "messages"),
                               counted(number_of(queue, "open"), "recipient", "recipients")));
  line("queue", fmt::format("{} ready, {} being delivered, {} held, {}", number_of(queue, "ready"),
                            number_of(queue, "in_flight"), number_of(queue, "held"),
                            counted(number_of(queue, "connections"), "connection", "connections")));
  line("unrecorded", fmt::format("{} of {} outcomes at most, {} lost", number_of(spool, "unrecorded"),
                                 number_of(spool, "unrecorded_limit"), number_of(spool, "lost")));
  line("room", size_words(number_of(spool, "room_bytes")) + " for new mail");
  const json::object& start = part_of(spool, "at_start");
  line("at the start",
       fmt::format("{} rebuilt after damage, {} lost to it; {} may be repeated",
                   counted(number_of(start, "rebuilt"), "recipient", "recipients"), number_of(start, "lost"),
                   counted(number_of(start, "possible_repeats"), "delivery", "deliveries")));
  line("damaged", counted(number_of(spool, "damaged"), "operation", "operations"));
  line("waiting", fmt::format("{}, the oldest for {:.1f} s", size_words(number_of(spool, "waiting_bytes")),
                              real_of(spool, "oldest_waiting_seconds")));
  line("commits",
       fmt::format("{}, each of {:.1f} operations in {:.1f} ms on average; {} refused",
                   number_of(spool, "commits"), real_of(spool, "operations_per_commit"),
                   real_of(spool, "seconds_per_commit") * 1000, number_of(spool, "commits_refused")));
  line("last commit", last.empty() ? "none yet" : moment(last));
  for (const std::string& certificate : certificate_lines(part_of(all, "tls"), session.now))
    line("certificate", certificate);
  return exit_ok;
}

}  // namespace relay::ctl
