// What a server offers: the extensions named in its reply to EHLO (RFC 5321 4.1.1.1). Pure.
#pragma once
#include <cstdint>
#include <optional>

#include "mta/wire/envelope.h"

namespace relay::wire {

struct Extensions {
  bool pipelining = false;  // RFC 2920
  bool starttls = false;    // RFC 3207
  bool eight_bit = false;   // 8BITMIME, RFC 6152
  bool smtputf8 = false;    // RFC 6531
  bool dsn = false;         // RFC 3461
  bool chunking = false;    // RFC 3030
  bool requiretls = false;  // RFC 8689
  bool auth_plain = false;  // AUTH, RFC 4954, with these mechanisms
  bool auth_login = false;
  std::optional<std::uint64_t> size;  // RFC 1870: the longest message in bytes; 0 if the host names none
};

// The first line is the host's name; a line that cannot be understood offers nothing.
Extensions parse_extensions(const Reply& ehlo);

}  // namespace relay::wire
