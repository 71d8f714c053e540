// salvage: what can be saved of a message, as an operation that another spool can take.
//
// Of a sound message that is all of it, as it is. Of a damaged one nothing is guessed that would lose mail or
// deliver it twice: whoever has a row in the queue is open, even if the row cannot be read; whoever has a
// final event is finished; of whom neither is left is held, so that an administrator decides. If the content
// is not whole, whoever would be open or held is cancelled: there is nothing to deliver, and no spool would
// take the message otherwise. What was done so is said in the notes and in events. Pure.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "spool/inspect/stored.h"
#include "spool/types.h"

namespace relay::spool {

struct Salvaged {
  // Without content. Nothing if the message's record cannot be read: only that knows the recipients.
  std::optional<Restore> restore;
  std::vector<std::string> notes;  // sentences without their full stop
  std::size_t given_up = 0;  // recipients who were open, and are cancelled because the content is damaged

  bool open() const;
};

// What is known of the tables when rows are missing: no page of them has been found damaged, so that a row
// that is not there has never been there.
struct Soundness {
  bool queue = true, events = true;
};
// `content`: whether the content is there whole.
Salvaged salvage(const StoredMessage& message, bool content, Soundness tables, WallTime now);

}  // namespace relay::spool
