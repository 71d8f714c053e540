// A look at a message's header section (RFC 5322 2.2), as far as a relay needs it. Pure; bounded.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

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
  // The first of each, unfolded, trimmed, raw (RFC 2047 words are not decoded), cut at 1,000 bytes.
  std::string from, subject, message_id;
};

// A first line that is no header field ends the section: such content is a message without header fields.
// `prefix`, of names in any case, is looked for; empty: none is.
HeaderScan scan_headers(const Body& body, std::size_t limit_bytes = 256u << 10, std::string_view prefix = {});

}  // namespace relay::wire
