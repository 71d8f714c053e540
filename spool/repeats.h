// Repeats: what a start makes of the attempts the process before left under way (see in_flight.h). Those
// whose recipient is still open, and whose outcome the store does not have, may be delivered twice: the store
// is told so by an event that is in doubt, and the recipient is due at once.
//
// Called before anything else writes to the store, on the same thread.
#pragma once
#include <vector>

#include "spool/in_flight.h"
#include "spool/store.h"

namespace relay::spool {

// Each of them, logged one by one; the ledger forgets what was left. If the store cannot be written to now it
// keeps it for the next start, and that is logged too.
std::vector<RecipientRef> record_repeats(Store& store, InFlight& ledger, WallTime now);

}  // namespace relay::spool
