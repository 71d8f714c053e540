// The parameters of MAIL and RCPT, and xtext.
#include "mta/wire/parameters.h"

#include "mta/wire/xtext.h"
#include "tests/fuzz/input.h"

using namespace relay;
using namespace relay::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t choice = input.byte();
  const std::string_view text = input.rest();
  MailFrom mail;
  if (const auto wrong = mail_parameters(text, (choice & 1) != 0, mail); !wrong && text.empty())
    fuzz::promise(!mail.size && mail.id.empty() && !mail.hold);
  RcptTo rcpt;
  static_cast<void>(
      rcpt_parameters(text, {.extended = (choice & 1) != 0, .smtputf8 = (choice & 2) != 0}, rcpt));
  if (const auto decoded = decode_xtext(text)) fuzz::promise(decode_xtext(encode_xtext(*decoded)) == decoded);
  fuzz::promise(decode_xtext(encode_xtext(text)) == std::string(text));
  return 0;
}
