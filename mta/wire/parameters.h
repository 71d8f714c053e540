// The parameters of MAIL and RCPT (RFC 5321 4.1.2): SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531),
// AUTH (RFC 4954), RET, ENVID, NOTIFY and ORCPT (RFC 3461), HOLDFOR and HOLDUNTIL (RFC 4865). Pure.
//
// `rest` is what follows the path's '>': nothing, or a blank and the parameters. Each may stand once. The
// first that is wrong gives the fault; what of it is echoed is printable ASCII, and short.
#pragma once
#include <optional>
#include <string_view>

#include "mta/wire/command.h"

namespace relay::wire {

std::optional<Fault> mail_parameters(std::string_view rest, bool extended, MailFrom& mail);
std::optional<Fault> rcpt_parameters(std::string_view rest, const CommandContext& context, RcptTo& rcpt);

Fault fault(int code, std::string enhanced, std::string text);
// Words between blanks.
std::vector<std::string_view> words(std::string_view text);

}  // namespace relay::wire
