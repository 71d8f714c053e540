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

// Its rows of content from number `from`, checked, until they are `bytes` long or the last has been read.
// Answers the number of the row that follows.
Result<std::uint32_t> read_chunks(const MessageRecord& record, std::uint32_t from, std::size_t bytes,
                                  Cursor& bodies, std::string& content);

}  // namespace relay::spool
