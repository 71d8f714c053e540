// A look at a message's header section (RFC 5322 2.2), as far as a relay needs it. Pure; bounded.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/body.h"

namespace relay::wire {

struct HeaderScan {
  std::size_t header_bytes = 0;  // of the section, without the empty line after it
  bool complete = false;         // an empty line, or the end of the message, came within the limit
  std::uint32_t received = 0;    // Received fields (RFC 5321 6.3)
  bool eight_bit = false;        // bytes over 127 in it (RFC 6532)
  bool has_date = false;
  bool has_message_id = false;
  bool has_from = false;
  bool has_subject = false;
  bool has_private = false;  // fields of the prefix asked for
  // Lines of that prefix between a line that is no field, which ends the section, and the first empty one:
  // their writer took them for fields, and some readers do.
  bool hidden_private = false;
  // The first of each, unfolded, trimmed, raw (RFC 2047 words are not decoded), cut at 1,000 bytes.
  std::string from, subject, message_id;
};

// A first line that is no header field ends the section: such content is a message without header fields.
// `prefix`, of names in any case, is looked for; empty: none is.
HeaderScan scan_headers(const Body& body, std::size_t limit_bytes = 256u << 10, std::string_view prefix = {});

// Who the header section says has written and sent the message (RFC 5322 3.6.2): every field of these names,
// unfolded and trimmed, in full.
struct SenderFields {
  std::vector<std::string> from, sender;
  // The section ends in an empty line or with the message. Else a line in it is no field, or the limit came
  // first: some programs look for fields behind that.
  bool sound = false;
};
SenderFields sender_fields(const Body& body, std::size_t limit_bytes = 256u << 10);

}  // namespace relay::wire
