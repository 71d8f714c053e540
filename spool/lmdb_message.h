// What a message's rows say together: the record out of its pieces, and where each recipient stands. Reads
// only, inside a transaction the caller holds; its cursors are moved.
#pragma once
#include <string>

#include "spool/lmdb_env.h"
#include "spool/records.h"

namespace relay::spool {

// The message that `messages` stands on; `scratch` takes the pieces of a long one.
Result<MessageRecord> read_message(const Cursor& messages, Cursor& rest, std::string& scratch);

enum class Detail { recipients, recipients_and_events };
// The whole view of a message just read.
Result<MessageView> read_view(Message message, Cursor& queue, Cursor& events, Detail detail);

// Its content, all chunks checked. The message must be open.
Result<BodyPtr> read_body(const MessageRecord& record, Cursor& bodies);

}  // namespace relay::spool
