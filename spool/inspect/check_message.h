// What one message's rows say together. Pure.
#pragma once
#include "spool/inspect/stored.h"

namespace relay::spool {

// Each recipient in exactly one legal state, its events without gap and possible in their order, its queue
// row in accord with both. Of a message without a record only that it has none.
void check_message(const StoredMessage& message, Faults& faults);

}  // namespace relay::spool
