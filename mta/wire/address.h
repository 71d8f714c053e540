// Paths and mailboxes of RFC 5321 4.1.2, with RFC 6531's internationalized ones. Pure.
//
// The canonical form is what Envelope holds: local part as given (quotes kept only where the grammar needs
// them), domain in lower case and A-labels, which every host and every DNS server understands.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "mta/base/utf8.h"

namespace relay::wire {

inline constexpr std::size_t max_local_part = 64;  // RFC 5321 4.5.3.1.1
inline constexpr std::size_t max_domain = 255;     // RFC 5321 4.5.3.1.2
inline constexpr std::size_t max_path = 254;       // RFC 5321 4.5.3.1.3: 256 with the brackets

struct AddressOptions {
  bool utf8 = false;             // RFC 6531: non-ASCII local parts
  bool bare_postmaster = false;  // "postmaster" without a domain, in any case (RFC 5321 4.5.1)
};

struct Address {
  std::string text;         // canonical
  bool needs_utf8 = false;  // the local part is not ASCII
};

// A mailbox without brackets: local@domain, "quoted local"@domain, local@[192.0.2.1].
std::optional<Address> parse_address(std::string_view text, const AddressOptions& options);

// A domain name or an address literal in brackets; canonical. Also for EHLO's argument.
std::optional<std::string> parse_domain(std::string_view text);

struct Path {
  Address address;        // empty text: the null reverse-path
  std::string_view rest;  // what follows '>'
};
// "<local@domain>", "<>" if null_allowed, "<@relay,@relay2:local@domain>" (the source route is ignored,
// RFC 5321 appendix C), at the start of `text`.
std::optional<Path> parse_path(std::string_view text, bool null_allowed, const AddressOptions& options);

using relay::valid_utf8;

}  // namespace relay::wire
