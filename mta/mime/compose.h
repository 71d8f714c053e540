// compose: a MIME message from parts, by GMime (initialised on first use; thread-safe). Pure.
//
// Result lines end in CRLF, none is over 998 bytes, headers are encoded (RFC 2047, 2231), bodies in a
// transfer encoding that is 7bit safe. No field of the input can add a header, a part or a line: CR, LF and
// NUL in header values are refused with Errc::invalid naming the field as a JSON pointer in
// `Error::message`'s first word.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mta/base/body.h"
#include "mta/base/clock.h"
#include "mta/base/result.h"

namespace relay::mime {

struct Mailbox {
  std::string name;  // UTF-8, may be empty
  std::string address;
};

struct Attachment {
  std::string filename;  // UTF-8
  std::string content_type = "application/octet-stream";
  std::string content;     // decoded bytes
  std::string content_id;  // set: inline, referred to as cid:
};

struct Draft {
  Mailbox from;
  std::vector<Mailbox> to, cc, reply_to;  // bcc is envelope only
  std::string subject;
  std::optional<std::string> text, html;
  std::vector<std::pair<std::string, std::string>>
      headers;  // the caller's own; names the relay owns are refused
  std::vector<Attachment> attachments;
};

Result<std::shared_ptr<Body>> compose(const Draft& draft, WallTime date, const std::string& message_id);

// "Name <a@b>", "a@b", "\"N, M\" <a@b>": exactly one mailbox of RFC 5322 3.4, UTF-8 allowed.
Result<Mailbox> parse_mailbox(std::string_view text);

}  // namespace relay::mime
