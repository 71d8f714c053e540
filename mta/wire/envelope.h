// The envelope of RFC 5321 2.3.1, and what a server said. Plain values; no I/O.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace relay::wire {

struct Recipient {
  std::string
      address;  // the forward-path without brackets: local-part as given, domain in lower case A-labels
};

struct Envelope {
  std::string reverse_path;  // without brackets; empty is the null reverse-path
  std::vector<Recipient> recipients;
  bool smtputf8 = false;   // RFC 6531 3.4: some address or header needs it
  bool eight_bit = false;  // BODY=8BITMIME was declared, or the content has bytes over 127
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
