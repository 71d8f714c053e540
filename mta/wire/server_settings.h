// What a ServerDialog is told once. Plain values.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

#include "mta/base/clock.h"

namespace relay::wire {

struct ServerLimits {
  // A command's line with its end. RFC 5321 4.5.3.1.4 asks for 512, and the parameters of extensions come on
  // top of it; AUTH's own lines have `auth_line_bytes`.
  std::size_t command_line_bytes = 4096;
  std::size_t auth_line_bytes = 12288;  // RFC 4954 4
  // A line of a message. RFC 5321 4.5.3.1.6 has 1,000, but programs send a whole HTML page in one, and hosts
  // take it; a longer one is no text any more.
  std::size_t message_line_bytes = 256u << 10;
  std::uint32_t recipients = 1000;          // a transaction; RFC 5321 4.5.3.1.8 asks for at least 100
  std::uint64_t message_bytes = 50u << 20;  // announced by SIZE (RFC 1870)
  // Transactions a session (RFC 9422: MAILMAX), so that clients which keep a connection for ever come anew
  // now and then: to another loop or another machine behind a balancer.
  std::uint32_t messages = 10000;
  // Refused commands before 421, counted anew after each message accepted: a confused or hostile client. The
  // replies after the first `errors_at_once` of them wait for `error_delay`, so that guessing is slow.
  std::uint32_t errors = 20;
  std::uint32_t errors_at_once = 10;
  Duration error_delay = std::chrono::seconds(1);
  // NOOP, RSET, VRFY, HELP, EHLO, AUTH, MAIL and the like without a message accepted between them; each
  // further one is an error, or the end if it is MAIL or AUTH. A client that keeps its connection open by
  // NOOP every half minute may do so for an hour.
  std::uint32_t junk_commands = 120;
  std::uint32_t auth_failures = 3;  // a session, before 421
  Duration greeting_timeout =
      std::chrono::minutes(5);  // RFC 5321 4.5.3.2.7: at least 5 minutes for any command
  Duration command_timeout = std::chrono::minutes(5);  // RFC 5321 4.5.3.2.7; for a whole line
  Duration data_timeout = std::chrono::minutes(5);     // between two reads of a message
  // From MAIL to the last byte of the message: 50 MiB within it are 15 KiB a second.
  Duration message_timeout = std::chrono::hours(1);
  // A message must come at this rate on average, bytes a second, once it has taken `rate_grace`: a client
  // that sends a byte now and then holds a session for nothing. The slowest modem is faster. Who has been
  // faster may pause for it, but for `data_timeout` at most: so a message that has just begun may not pause
  // longer than the grace.
  std::uint32_t least_rate = 500;
  Duration rate_grace = std::chrono::seconds(30);
  // Under pressure (ServerPolicy::pressed): for every wait for the client, and in place of `errors`.
  Duration pressed_timeout = std::chrono::seconds(10);
  std::uint32_t pressed_errors = 2;
  // While memory for content is short (ServerPolicy::content), in place of `least_rate`; and only a pressed
  // timeout's worth of time is then ever in store. Who holds much for long gives way.
  std::uint32_t pressed_rate = 5000;
};

// A bare CR or LF in a message.
enum class BareNewlines : std::uint8_t {
  normalise,  // becomes CRLF
  refuse,     // with 554 5.6.0; a NUL too
};

struct ServerSettings {
  std::string host_name;       // in the greeting and the EHLO reply
  bool offer_starttls = true;  // a certificate is there and TLS is not yet on
  bool require_auth = true;    // MAIL is refused with 530 5.7.0 until AUTH has succeeded; false: the sink
  bool require_tls =
      true;  // AUTH is offered and taken only under TLS (RFC 4954 4); no effect without require_auth
  bool offer_dsn = true;  // RFC 3461: the owner does something with what the sender wants to be told
  BareNewlines bare_newlines = BareNewlines::normalise;
  ServerLimits limits;
};

}  // namespace relay::wire
