// A command line of SMTP (RFC 5321 4.1.1) as a value. Pure: knows neither server nor client.
//
// The line comes without its CRLF. Verbs are taken in any case. A blank after "FROM:" or "TO:" is tolerated:
// many clients send it. What is not understood is a Fault that names the reply to give.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "mta/base/clock.h"
#include "mta/wire/envelope.h"

namespace relay::wire {

struct Ehlo {
  std::string
      name;  // canonical domain or literal; as given if it is neither (clients often know no name of theirs)
  bool extended = true;  // false: HELO
};
// HOLDFOR or HOLDUNTIL (RFC 4865): a time from now, or a moment.
using Hold = std::variant<Duration, WallTime>;
struct MailFrom {
  std::string reverse_path;
  std::optional<std::uint64_t> size;  // RFC 1870
  bool eight_bit = false;             // BODY=8BITMIME (RFC 6152)
  bool smtputf8 = false;              // RFC 6531
  DsnReturn ret = DsnReturn::unsaid;  // RFC 3461 4.3
  std::string id = {};                // ENVID, decoded (RFC 3461 4.4)
  std::optional<Hold> hold = std::nullopt;
};
struct RcptTo {
  std::string address;
  std::uint8_t notify = 0;    // RFC 3461 4.1
  std::string original = {};  // ORCPT, decoded (RFC 3461 4.2)
};
struct Auth {
  std::string mechanism;               // upper case
  std::optional<std::string> initial;  // base64 as sent; "=" is an empty one (RFC 4954 4)
};
struct Data {};
struct Bdat {                         // RFC 3030 2
  std::optional<std::uint64_t> size;  // none: it cannot be read, so nobody knows where commands go on
  bool last = false;
};
struct Rset {};
struct Noop {};
struct Quit {};
struct StartTls {};
struct Vrfy {};
struct Expn {};
struct Help {};
struct Foreign {};  // another protocol's first words: HTTP, or TLS where it is not yet expected
struct Fault {
  Reply reply;
};
using Command = std::variant<Ehlo, MailFrom, RcptTo, Auth, Data, Bdat, Rset, Noop, Quit, StartTls, Vrfy, Expn,
                             Help, Foreign, Fault>;

struct CommandContext {
  bool extended = true;   // after EHLO: parameters are legal
  bool smtputf8 = false;  // MAIL asked for it: recipients may be non-ASCII
};

Command parse_command(std::string_view line, const CommandContext& context);

}  // namespace relay::wire
