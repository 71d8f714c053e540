// Archive: a message with its envelope and history, or an API key, as one line of JSON, both ways. Pure.
//
// relayctl(1) documents the members. Nothing is lost on the way: text that is not UTF-8 is an object with one
// member `base64`, a time that RFC 3339 cannot write is a number of milliseconds. What is read is checked
// strictly: members that nobody knows, that are missing, or that contradict each other are faults.
#pragma once
#include <array>
#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>
#include <variant>

#include "mta/base/result.h"
#include "spool/types.h"

namespace relay::ctl {

// What is written. Version 1 is read too; it lacks what a message carries besides content and envelope.
inline constexpr int archive_version = 2;
// Notify's bits by their names in RFC 3461 4.1, in lower case, in the order of the bits.
inline constexpr std::array<std::string_view, 4> notify_names{"never", "success", "failure", "delay"};

boost::json::object message_object(const spool::Restore& message);  // all but `content`
boost::json::object key_object(const spool::ApiKey& key);

using ArchiveEntry = std::variant<spool::Restore, spool::ApiKey>;

// One line, or one file's text: `content` is a member of it, or given apart (a file of its own; null without
// one). Errors say which member is wrong: "recipients[2].status: it is not one of queued, held, …".
Result<ArchiveEntry> read_entry(std::string_view text);
Result<ArchiveEntry> read_entry(std::string_view text, BodyPtr content);

// The id of the message in a line that may be broken or cut off; empty if there is none.
std::string id_in(std::string_view text);

}  // namespace relay::ctl
