#include "mta/intake/inbound.h"

#include <doctest/doctest.h>

using namespace relay;
using namespace relay::intake;

namespace {

// What a client is told, command by command.
std::string dialogue(Inbound& inbound, const std::string& bytes) {
  Admission admission{{}};
  InboundPolicy policy(inbound, admission);
  wire::ServerSettings settings;
  settings.host_name = "mx.test";
  settings.require_auth = false;
  settings.offer_dsn = false;
  settings.bare_newlines = wire::BareNewlines::refuse;
  wire::ServerDialog dialog(std::make_shared<const wire::ServerSettings>(settings), policy);
  dialog.on_open({"192.0.2.1", 1}, nullptr, {});
  dialog.output().take_text();
  dialog.on_bytes(bytes, {});
  while (auto action = dialog.take_action())
    dialog.on_accept_result(inbound.take(std::get<wire::SubmitRequest>(*action)), {});
  return dialog.output().take_text();
}

}  // namespace

TEST_CASE("inbound: takes mail for its domains, in any case, and for no other") {
  const Inbound inbound({.domains = {"bounces.example.com", "xn--bcher-kva.example"}});
  CHECK(inbound.takes("bounce+msg_1@bounces.example.com"));
  CHECK(inbound.takes("a@xn--bcher-kva.example"));
  CHECK(inbound.takes("\"a@b\"@bounces.example.com"));
  for (const char* address :
       {"a@example.com", "a@x.bounces.example.com", "a@bounces.example.com.evil.test", "bounces.example.com",
        "a@[192.0.2.1]", "\"a@bounces.example.com\"@evil.test", ""}) {
    CAPTURE(address);
    CHECK_FALSE(inbound.takes(address));
  }
}

TEST_CASE("inbound: a bounce is taken, and nothing is relayed") {
  Inbound inbound({.domains = {"bounces.example.com"}});
  CHECK(
      dialogue(
          inbound,
          "HELO mx.other.test\r\nMAIL FROM:<>\r\nRCPT TO:<b@Bounces.Example.COM>\r\nRCPT "
          "TO:<victim@other.test>\r\n"
          "RCPT TO:<@bounces.example.com:victim@other.test>\r\nRCPT TO:<victim%other.test@elsewhere.test>\r\n"
          "RCPT TO:<postmaster>\r\nDATA\r\nSubject: Undelivered\r\n\r\nx\r\n.\r\n") ==
      "250 mx.test\r\n250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n"
      "550 5.7.1 This host takes bounces for its own senders only, and relays no mail; to send mail use the "
      "submission port\r\n"
      "550 5.7.1 This host takes bounces for its own senders only, and relays no mail; to send mail use the "
      "submission port\r\n"
      "550 5.7.1 This host takes bounces for its own senders only, and relays no mail; to send mail use the "
      "submission port\r\n"
      "550 5.7.1 This host takes bounces for its own senders only, and relays no mail; to send mail use the "
      "submission port\r\n"
      "354 End data with <CR><LF>.<CR><LF>\r\n250 2.0.0 Ok\r\n");
  const InboundStats stats = inbound.stats();
  CHECK(stats.messages == 1);
  CHECK(stats.bytes == 27);
  CHECK(stats.refused == 4);
}

TEST_CASE("inbound: passwords are not taken, and a bare newline is refused") {
  Inbound inbound({.domains = {"bounces.example.com"}});
  CHECK(
      dialogue(inbound, "EHLO x\r\nAUTH PLAIN AGEAYg==\r\n").ends_with("502 5.5.1 AUTH is not offered\r\n"));
  CHECK(
      dialogue(inbound, "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@bounces.example.com>\r\nDATA\r\na\nb\r\n.\r\n")
          .ends_with("554 5.6.0 The message has a CR or LF that stands alone; end every line with CRLF\r\n"));
  CHECK(inbound.stats().messages == 0);
}
