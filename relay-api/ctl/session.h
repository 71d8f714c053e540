// Session: what a command works with, and how it asks relayd: one request, one answer, said in words.
#pragma once
#include <boost/json/fwd.hpp>
#include <expected>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/clock.h"
#include "relay-api/ctl/client.h"

namespace relay::ctl {

// The program's exit codes; relayctl(1) documents them.
enum Exit : int { exit_ok = 0, exit_refused = 1, exit_usage = 2, exit_unreachable = 3 };
// Of the commands that read a spool themselves: something in it is not as it should be; it could not be read
// at all.
inline constexpr int exit_faults = exit_refused, exit_unusable = exit_usage;

struct Session {
  Transport call;
  std::ostream& out;
  std::ostream& err;
  std::size_t width = 0;  // of the terminal in cells, 0 for any
  bool json = false;      // the API's own answer is printed instead of tables and sentences
  WallTime now;
  // For the commands that read a spool themselves.
  std::istream* in = nullptr;
  bool progress = false;      // standard error is a terminal: long work says how far it is
  bool socket_given = false;  // by --socket
  std::function<Instant()> clock = {};
  // The spool that a configuration file names.
  std::function<Result<std::string>(const std::string& file)> configured_spool = {};
};

// The answer to a request, if there is something left to show. Otherwise the command is over with the exit
// code: relayd could not be reached or refused, which has been said, or its JSON has been printed as asked.
std::expected<boost::json::value, int> ask(Session& session, const std::string& method,
                                           const std::string& path,
                                           const std::optional<std::string>& body = std::nullopt);

// A member as text: strings as they are, numbers in digits, anything else (also absent) as "".
std::string text_of(const boost::json::object& object, std::string_view key);
std::uint64_t number_of(const boost::json::object& object, std::string_view key);
// The members of an array that are objects.
const boost::json::array& list_of(const boost::json::object& object, std::string_view key);
// The reply of an attempt, or else what went wrong: "451 4.7.1 Later".
std::string outcome_of(const boost::json::object& object, std::string_view reply_key,
                       std::string_view error_key);

// The member `damage`: an array of sentences, or one.
std::vector<std::string> damage_of(const boost::json::object& object);
// The same for a list, each with the id it concerns.
void add_damage(std::vector<std::string>& all, const boost::json::object& object, std::string_view id);
// "Not all of it can be read:", and each sentence on a line, once. Nothing if there is none.
void say_damage(Session& session, std::string_view head, const std::vector<std::string>& sentences);
inline constexpr std::string_view damaged_one = "Not all of it can be read:";
inline constexpr std::string_view damaged_list = "Not all of these can be read:";

std::string or_dash(std::string text);  // "-" for nothing

// "2026-11-21 09:18:00Z" for a moment as the API writes it.
std::string moment(std::string_view rfc3339);
// For columns: "now", "40s", "5m", "2h10m", "3d4h"; "-" for an empty moment. Past moments are "now".
std::string until(std::string_view rfc3339, WallTime now);
std::string size_words(std::uint64_t bytes);  // "873 B", "12.4 kB", "3.1 MB", "1.2 GB"
std::string counted(std::uint64_t n, std::string_view one, std::string_view many);

}  // namespace relay::ctl
