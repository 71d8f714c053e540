// Header fields as bytes: encoded (RFC 2047) and folded (RFC 5322 2.2.3). Pure.
//
// Every function gives a whole field with its CRLF. Its lines are 78 bytes or shorter where there is a place
// to fold; the caller checks longest_line where the input may have none.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "mta/mime/compose.h"

namespace relay::mime {

inline constexpr std::size_t max_line = 998;  // RFC 5322 2.1.1, without CRLF

// Text as it is to be read: "=?" in it is encoded, so that it comes out as it went in.
std::string text_field(std::string_view name, std::string_view utf8);
// A value the caller has formed: ASCII words pass as they are, so that addresses, ids and URLs stay whole.
std::string formed_field(std::string_view name, std::string_view utf8);
// Display names are quoted or encoded as they need it.
std::string mailbox_field(std::string_view name, std::span<const Mailbox> mailboxes);

std::size_t longest_line(std::string_view bytes);  // without CRLF

}  // namespace relay::mime
