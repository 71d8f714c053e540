// Fault: one thing about a spool that is not as spool/FORMAT.md says, and what it means for the mail.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "mta/base/ids.h"
#include "spool/codec.h"
#include "spool/page.h"

namespace relay::spool {

enum class FaultKind : std::uint8_t {
  // of the file
  meta_page,      // one of the two meta pages cannot be used
  page_damaged,   // a page of a table cannot be used
  page_shared,    // a page has two uses
  page_lost,      // pages have no use and are not free
  page_count,     // a table has other pages than LMDB has noted
  row_count,      // a table has other rows than LMDB has noted
  row_order,      // a row lies where its key does not belong
  free_list,      // the list of free pages is no such list
  table_missing,  // a table is not there
  table_unknown,  // a table that the format does not know
  // of one record
  meta_row,            // `meta` has not what it should have
  key_malformed,       // a key that no row of the table can have
  value_long,          // a value longer than a page
  record_damaged,      // version or checksum are wrong, or its pages are damaged
  record_meaningless,  // the checksum holds, and the fields have no legal meaning
  // of a message
  orphan,               // rows of a message that has no record
  rest_missing,         // a part of the record is not there
  rest_surplus,         // a part that the record does not have
  body_missing,         // a chunk of an open message's content is not there
  body_surplus,         // content of a closed message, or a chunk too many
  body_size,            // the chunks are not as long as the record says
  recipient_unknown,    // rows of a recipient whom the record does not have
  recipient_lost,       // neither queued nor held nor finished
  recipient_twice,      // open and finished
  row_differs,          // the queue row says other than record and events
  event_missing,        // a gap in the sequence
  event_illegal,        // an event that cannot have happened then
  account_missing,      // the index `accounts` does not have the message
  account_orphan,       // the index has a message that is not there, or not the account's
  idempotency_missing,  // a message's idempotency key has no row
  idempotency_orphan,   // a row of `idempotency` leads to no message, or to one with another key
};
std::string_view text(FaultKind kind);   // "record_damaged": stable, for programs
std::string_view means(FaultKind kind);  // a sentence, unless the fault has one of its own

struct Fault {
  FaultKind kind = FaultKind::record_damaged;
  std::optional<Table> table = {};
  std::optional<MessageId> message = {};
  std::optional<std::uint32_t> recipient = {};
  std::optional<PageNumber> page = {};
  std::string what = {};   // a clause: "chunk 3 of the content is not there"
  std::string means = {};  // a sentence about the mail
};
using FaultSink = std::function<void(Fault)>;

}  // namespace relay::spool
