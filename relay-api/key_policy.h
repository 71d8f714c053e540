// The policy of an API key as JSON, both ways: in requests, answers and exports. Pure.
#pragma once
#include <boost/json/fwd.hpp>

#include "relay-api/fields.h"
#include "spool/types.h"

namespace relay::api {

// Of all domains, addresses and networks of one key together, in bytes: a key's record fits a page.
inline constexpr std::size_t policy_text_bytes = 3000;

boost::json::object policy_object(const spool::KeyPolicy& policy);

// A member that is given takes the place of what `policy` has, null that of a limit by none; the others
// stay. Domains, addresses and networks are made canonical; an entry given twice counts once.
void read_policy(Fields& fields, spool::KeyPolicy& policy);

}  // namespace relay::api
