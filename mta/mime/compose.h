// compose: a MIME message from parts, by GMime (initialised on first use; thread-safe). Pure.
//
// Result lines end in CRLF, none is over 998 bytes, headers are encoded (RFC 2047, 2231), bodies in a
// transfer encoding that is 7bit safe; only an internationalized local part puts 8-bit bytes into a header
// (RFC 6532). Texts are UTF-8, their line ends made CRLF. The first segment is the header section down to
// MIME-Version, the second the MIME entity. The same draft gives the same bytes.
//
// No field of the input can add a header, a part or a line. What cannot be used is refused with Errc::invalid
// and a message "POINTER: why", POINTER being the JSON pointer of the field ("/to/0", "/headers/X-Foo",
// "/attachments/2/filename"). Headers that have a field of their own (From, To, Cc, Bcc, Reply-To, Subject),
// Sender, and those the relay sets are refused in Draft::headers: Date, Message-ID, MIME-Version, Content-*,
// Received, Return-Path, Delivered-To, Authentication-Results, DKIM-Signature, DomainKey-Signature, ARC-*,
// Resent-*, X-Relay-*.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
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
  std::string content_id;  // set, and there is HTML: inline, referred to as cid:; without < and >
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

// message_id: with or without < and >.
Result<std::shared_ptr<Body>> compose(const Draft& draft, WallTime date, const std::string& message_id);

// A header that compose() refuses in Draft::headers: the relay sets it, or the draft has a field for it.
bool reserved_field(std::string_view name);

// "Name <a@b>", "a@b", "\"N, M\" <a@b>": exactly one mailbox of RFC 5322 3.4, UTF-8 allowed.
// The name comes decoded, the address in wire::parse_address's canonical form. An error says what is wrong as
// the rest of a sentence: "is more than one address, ..."; comments are passed over.
Result<Mailbox> parse_mailbox(std::string_view text);
// The same for a list with commas between them, one at least; groups are refused.
Result<std::vector<Mailbox>> parse_mailboxes(std::string_view text);

}  // namespace relay::mime
