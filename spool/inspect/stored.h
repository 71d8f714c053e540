// MessageWalk: all that a view's tables hold of each message, by id, whatever of it is damaged or lost.
//
// read() takes the rows of one message out of messages, rest, queue and events; its content is read apart,
// chunk by chunk, so that no message is too large. What is wrong with single records goes to the faults; what
// they say together is judged by others (check_message, salvage).
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "spool/inspect/tables.h"
#include "spool/records.h"

namespace relay::spool {

struct StoredRow {  // of the queue
  std::uint32_t recipient = 0;
  std::optional<QueueRecord> row;  // without if damaged; its texts are in `texts`
  std::uint8_t version = 0;
  RowTexts texts;

  bool closed() const { return row && terminal(row->status); }
};

struct StoredEvent {
  std::uint32_t recipient = 0;
  std::uint32_t number = 0;
  std::optional<EventRecord> record;  // without if damaged
};

struct StoredMessage {
  MessageId id;
  bool listed = false;                   // has a row in `messages`
  std::optional<MessageRecord> record;   // if that and `rest` are whole
  std::uint32_t rest = 0;                // rows
  std::vector<StoredRow> queue;          // by recipient
  std::vector<StoredEvent> events;       // by recipient and number
  std::uint64_t records = 0, bytes = 0;  // rows read so far, and their size

  std::size_t open_rows() const;  // in the queue
  // Has a recipient whom the record knows an open row in the queue?
  bool open() const;
  // Has every recipient a final event, or a closed row? Neither open nor finished: somebody has been lost.
  bool finished() const;
};

struct StoredContent {
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  bool whole = false;  // exactly what the record says
};

class MessageWalk {
 public:
  MessageWalk(const View& view, const Tables& tables, Faults& faults);
  // To the first message at or after `from` of which any table has a row.
  std::optional<MessageId> seek(const MessageId& from);
  std::optional<MessageId> next() { return lowest(); }  // after read() and content()
  StoredMessage read(const MessageId& id);
  StoredMessage record(const MessageId& id);  // its record alone, wherever the walk stands
  // The newest of any table, before the walk is placed; the last possible id if that cannot be told.
  MessageId newest();
  // The content of the message just read; `each` gets the chunks that are sound.
  StoredContent content(const StoredMessage& message, const std::function<void(std::string_view)>& each);
  // The same once more, for a content that was found whole: false if it is not any more.
  bool stream(const StoredMessage& message, const std::function<void(std::string_view)>& each);

 private:
  std::optional<MessageId> lowest();
  bool skip_malformed(RowCursor& cursor);
  void read_record(StoredMessage& message);
  void read_queue(StoredMessage& message);
  void read_events(StoredMessage& message);

  RowCursor messages_, rest_, bodies_, queue_, events_;
  std::size_t per_chunk_;
  Faults* faults_;
};

// "3", "3 to 7", "3, 5 to 9 and 12": numbers, which must grow.
class Ranges {
 public:
  void add(std::uint64_t number) { add(number, number + 1); }
  void add(std::uint64_t first, std::uint64_t end);  // those before `end`
  std::uint64_t count() const { return count_; }
  std::string text() const;

 private:
  struct Range {
    std::uint64_t first, last;
  };
  std::vector<Range> ranges_;
  std::uint64_t count_ = 0;
};

}  // namespace relay::spool
