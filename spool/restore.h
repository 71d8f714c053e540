// Restore: what a message may look like that comes from another spool. Pure.
#pragma once
#include "mta/base/result.h"
#include "spool/types.h"

namespace relay::spool {

// Whether an event of this type can leave a recipient in this status.
bool leads_to(EventType type, Status status);
inline bool of_attempt(EventType type) {
  return type == EventType::delivered || type == EventType::deferred || type == EventType::failed;
}

// Errc::invalid with a sentence unless every recipient is in one legal state (spool/FORMAT.md) that agrees
// with its events, and the content is there, as long as it should be, if a recipient is open. Store::apply
// refuses what this refuses.
Result<void> check_legal(const Restore& restore);

}  // namespace relay::spool
