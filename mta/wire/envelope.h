// The envelope of RFC 5321 2.3.1, and what a server said. Plain values; no I/O.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace relay::wire {

// When the sender wants to be told what became of a recipient (RFC 3461 4.1). A set of bits; none: the sender
// has not said, which means failure and, at the relay's choice, delay.
enum Notify : std::uint8_t { notify_never = 1, notify_success = 2, notify_failure = 4, notify_delay = 8 };

struct Recipient {
  std::string
      address;  // the forward-path without brackets: local-part as given, domain in lower case A-labels
  std::uint8_t notify = 0;    // of Notify; never stands alone
  std::string original = {};  // ORCPT (RFC 3461 4.2), its xtext decoded: "rfc822;user@example.com"
};

// What of the message a failed delivery's DSN should hold (RFC 3461 4.3).
enum class DsnReturn : std::uint8_t { unsaid = 0, full = 1, headers = 2 };

struct Envelope {
  std::string reverse_path;  // without brackets; empty is the null reverse-path
  std::vector<Recipient> recipients;
  bool smtputf8 = false;   // RFC 6531 3.4: some address or header needs it
  bool eight_bit = false;  // BODY=8BITMIME was declared, or the content has bytes over 127
  DsnReturn ret = DsnReturn::unsaid;
  std::string id = {};  // ENVID (RFC 3461 4.4), its xtext decoded; printable ASCII
};

// The domain after the last '@' (lower case by construction of the address).
std::string_view domain_of(std::string_view address);

// A reply of RFC 5321 4.2 with RFC 2034's enhanced code split off. lines hold the text without codes.
struct Reply {
  int code = 0;
  std::string enhanced;  // "2.1.5", or empty
  std::vector<std::string> lines;
  friend bool operator==(const Reply&, const Reply&) = default;

  bool positive() const { return code >= 200 && code < 400; }
  bool transient() const { return code >= 400 && code < 500; }
  bool permanent() const { return code >= 500; }
  std::string text() const;    // "550 5.1.1 No such user here", lines joined by a blank
  std::string encode() const;  // as sent: every line with code and enhanced code, CRLF
};

}  // namespace relay::wire
