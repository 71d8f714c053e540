// The parameters by which a client hands on what is wanted of DSNs (RFC 3461 4). Pure. Each begins with a
// blank; nothing where nothing was said. Whatever the values hold, what comes out is printable ASCII.
#pragma once
#include <string>
#include <string_view>

#include "mta/wire/envelope.h"

namespace relay::wire {

std::string dsn_of_mail(DsnReturn ret, std::string_view id);  // " RET=HDRS ENVID=QQ314159"
std::string dsn_of_rcpt(const Recipient& recipient);          // " NOTIFY=FAILURE ORCPT=rfc822;a@x.example"

}  // namespace relay::wire
