// One command line, under every context it can stand in.
#include "mta/wire/command.h"

#include "mta/wire/address.h"
#include "tests/fuzz/input.h"

using namespace relay;
using namespace relay::wire;

namespace {

void check_address(const std::string& address, bool utf8) {
  const auto again = parse_address(address, {.utf8 = utf8, .bare_postmaster = true});
  fuzz::promise(again && again->text == address);  // canonical stays canonical
}

void check(const Command& command, const CommandContext& context) {
  if (const auto* fault = std::get_if<Fault>(&command)) {
    fuzz::promise(fault->reply.code >= 500 && fault->reply.code < 600 && !fault->reply.enhanced.empty());
    for (const char c : fault->reply.text()) fuzz::promise(c >= ' ' && c <= '~');
  } else if (const auto* mail = std::get_if<MailFrom>(&command)) {
    if (!mail->reverse_path.empty()) check_address(mail->reverse_path, mail->smtputf8);
    for (const char c : mail->id) fuzz::promise(c >= ' ' && c <= '~');
  } else if (const auto* rcpt = std::get_if<RcptTo>(&command)) {
    check_address(rcpt->address, context.smtputf8);
    fuzz::promise((rcpt->notify & notify_never) == 0 || rcpt->notify == notify_never);
    fuzz::promise(rcpt->original.find('\n') == std::string::npos);
  } else if (const auto* hello = std::get_if<Ehlo>(&command)) {
    for (const char c : hello->name) fuzz::promise(c > ' ' && c <= '~');
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::string_view line = input.rest();
  for (const bool extended : {false, true})
    for (const bool smtputf8 : {false, true}) {
      const CommandContext context{.extended = extended, .smtputf8 = smtputf8};
      check(parse_command(line, context), context);
    }
  return 0;
}
