// Addresses of a request: strings in the form of RFC 5322 3.4, or objects of email and name. Pure.
#pragma once
#include <boost/json/fwd.hpp>
#include <string_view>
#include <vector>

#include "mta/mime/compose.h"
#include "relay-api/fields.h"

namespace relay::api {

enum class Count { one, many };  // whether an array is taken

// The mailboxes of a member, in order; empty if it is absent. Faults name the entry.
std::vector<mime::Mailbox> read_mailboxes(Fields& fields, std::string_view key, Count count,
                                          std::uint32_t at_most);

bool is_ascii(std::string_view text);
// A character that no header line can hold: CR, LF, NUL and the other controls but TAB.
bool has_controls(std::string_view text);

}  // namespace relay::api
