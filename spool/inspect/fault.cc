#include "spool/inspect/fault.h"

namespace relay::spool {

std::string_view text(FaultKind kind) {
  using enum FaultKind;
  switch (kind) {
    case meta_page: return "meta_page";
    case page_damaged: return "page_damaged";
    case page_shared: return "page_shared";
    case page_lost: return "page_lost";
    case page_count: return "page_count";
    case row_count: return "row_count";
    case row_order: return "row_order";
    case free_list: return "free_list";
    case table_missing: return "table_missing";
    case table_unknown: return "table_unknown";
    case meta_row: return "meta_row";
    case key_malformed: return "key_malformed";
    case value_long: return "value_long";
    case record_damaged: return "record_damaged";
    case record_meaningless: return "record_meaningless";
    case orphan: return "orphan";
    case rest_missing: return "rest_missing";
    case rest_surplus: return "rest_surplus";
    case body_missing: return "body_missing";
    case body_surplus: return "body_surplus";
    case body_size: return "body_size";
    case recipient_unknown: return "recipient_unknown";
    case recipient_lost: return "recipient_lost";
    case recipient_twice: return "recipient_twice";
    case row_differs: return "row_differs";
    case event_missing: return "event_missing";
    case event_illegal: return "event_illegal";
    case account_missing: return "account_missing";
    case account_orphan: return "account_orphan";
    case idempotency_missing: return "idempotency_missing";
    case idempotency_orphan: return "idempotency_orphan";
  }
  return "unknown";
}

std::string_view means(FaultKind kind) {
  using enum FaultKind;
  switch (kind) {
    case meta_page: return "The relay does not start on it; an export reads it nevertheless.";
    case page_damaged: return "What was on it is lost to the relay.";
    case page_shared: return "What is written to it next damages something else.";
    case page_lost: return "Only the room is lost, until the spool is compacted or imported anew.";
    case page_count: return "The table's tree is not whole: rows may be lost.";
    case row_count: return "Rows may be lost, or counts of the queue are wrong.";
    case row_order: return "The relay may not find the row.";
    case free_list: return "New mail may be written over old.";
    case table_missing: return "Everything that was in it is lost.";
    case table_unknown: return "Another program has written here; the relay does not look at it.";
    case meta_row: return "The relay may refuse to start on it.";
    case key_malformed: return "The row belongs to nothing and is ignored.";
    case value_long: return "It costs time to store, and no mail.";
    case record_damaged:
    case record_meaningless: return "Nothing of it is used.";
    case orphan: return "Only the message's record says to whom it goes: it is not delivered.";
    case rest_missing: return "The message cannot be read, and what is open of it is not delivered.";
    case rest_surplus: return "It takes room, and the message is not affected.";
    case body_missing: return "What is open of the message cannot be delivered.";
    case body_surplus: return "It takes room, and no mail is affected.";
    case body_size: return "What is open of the message cannot be delivered.";
    case recipient_unknown: return "Nobody knows where it was to go.";
    case recipient_lost: return "It is not delivered, and nobody is told.";
    case recipient_twice: return "It may be delivered a second time.";
    case row_differs: return "Its next attempt may come at another time than it should.";
    case event_missing: return "A part of its history is lost; delivery is not affected.";
    case event_illegal: return "Its history cannot be trusted; delivery is not affected.";
    case account_missing: return "Lists of the account's messages leave it out.";
    case account_orphan: return "It takes room, and no mail is affected.";
    case idempotency_missing: return "Mail that comes again with its key is sent a second time.";
    case idempotency_orphan: return "Mail that comes with that key may be taken for sent already.";
  }
  return "";
}

}  // namespace relay::spool
