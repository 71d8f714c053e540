#include "conf/classify_file.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace relay::conf {
namespace {

using queue::Cause;
using queue::Scope;
using queue::Treat;
using wire::Stage;

struct Said {
  std::string_view host;
  Stage stage;
  int code;
  std::string_view enhanced, text;
  Cause cause;
  Scope scope;
  Treat treat = Treat::as_said;
};

constexpr std::string_view gmail = "gmail-smtp-in.l.google.com",
                           outlook = "hotmail-com.olc.protection.outlook.com",
                           exchange = "example-com.mail.protection.outlook.com",
                           yahoo = "mta5.am0.yahoodns.net", icloud = "mx01.mail.icloud.com",
                           elsewhere = "mx.example.com";
using enum Cause;
using enum Scope;

// As hosts say it.
constexpr Said replies[] = {
    {gmail, Stage::final_dot, 421, "4.7.28",
     "Gmail has detected an unusual rate of mail originating from your IP address.", throttling, source,
     Treat::defer},
    {gmail, Stage::final_dot, 550, "5.7.28",
     "Gmail has detected an unusual rate of unsolicited mail originating from your IP address.", throttling,
     source, Treat::defer},
    {gmail, Stage::rcpt, 450, "4.2.1",
     "The user you are trying to contact is receiving mail too quickly. Please resend your message at a "
     "later time.",
     throttling, recipient},
    {gmail, Stage::rcpt, 550, "5.2.1",
     "The user you are trying to contact is receiving mail at a rate that prevents additional messages from "
     "being delivered.",
     throttling, recipient, Treat::defer},
    {gmail, Stage::rcpt, 550, "5.1.1",
     "The email account that you tried to reach does not exist. Please try double-checking the recipient's "
     "email address for typos",
     unknown_user, recipient},
    {gmail, Stage::rcpt, 550, "5.2.1", "The email account that you tried to reach is disabled.",
     mailbox_disabled, recipient},
    {gmail, Stage::rcpt, 452, "4.2.2",
     "The recipient's inbox is out of storage space. Please direct the recipient to", mailbox_full,
     recipient},
    {gmail, Stage::rcpt, 552, "5.2.2", "The recipient's inbox is out of storage space and inactive.",
     mailbox_full, recipient},
    {gmail, Stage::final_dot, 550, "5.7.26",
     "This mail has been blocked because the sender is unauthenticated. Gmail requires all senders to "
     "authenticate with either SPF or DKIM.",
     authentication, sender_domain},
    {gmail, Stage::final_dot, 550, "5.7.1",
     "Our system has detected that this message is likely unsolicited mail.", spam, content},
    {gmail, Stage::final_dot, 550, "5.7.25",
     "The IP address sending this message does not have a PTR record setup", dns, source},
    {gmail, Stage::mail, 530, "5.7.29", "TLS required", tls_required, site},
    {gmail, Stage::greeting, 421, "4.7.0", "Try again later, closing connection.", throttling, source},
    {gmail, Stage::final_dot, 552, "5.3.4", "Your message exceeded Google's message size limits.", too_large,
     message},
    {outlook, Stage::mail, 550, "5.7.1",
     "Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider "
     "since part of their network is on our block list (S3150).",
     blocked, source},
    {outlook, Stage::mail, 451, "4.7.650",
     "The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation.", throttling,
     source},
    {outlook, Stage::mail, 421, "",
     "RP-001 (BAY004) Unfortunately, some messages from 192.0.2.1 weren't sent.", throttling, source},
    {outlook, Stage::rcpt, 550, "5.5.0", "Requested action not taken: mailbox unavailable (S2017062302).",
     unknown_user, recipient},
    {exchange, Stage::rcpt, 550, "5.1.10",
     "RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", unknown_user, recipient},
    {exchange, Stage::rcpt, 550, "5.4.1", "Recipient address rejected: Access denied. AS(201806281)",
     unknown_user, recipient},
    {exchange, Stage::rcpt, 451, "4.7.500", "Server busy. Please try again later from [192.0.2.1]. (S77714)",
     throttling, source},
    {exchange, Stage::mail, 550, "5.7.606",
     "Access denied, banned sending IP [192.0.2.1]. To request removal from this list please visit "
     "https://sender.office.com/",
     blocked, source},
    {exchange, Stage::final_dot, 550, "5.7.515",
     "Access denied, sending domain example.org does not meet the required authentication level.",
     authentication, sender_domain},
    {yahoo, Stage::greeting, 421, "4.7.0",
     "[TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints - "
     "4.16.55.1",
     throttling, source, Treat::defer},
    {yahoo, Stage::greeting, 553, "5.7.1",
     "[BL21] Connections not accepted from servers without a valid sender domain", blocked, source},
    {yahoo, Stage::final_dot, 554, "",
     "delivery error: dd This user doesn't have a yahoo.com account (x@yahoo.com) [0]", unknown_user,
     recipient},
    {icloud, Stage::final_dot, 554, "5.7.1", "[CS01] Message rejected due to local policy.", spam, content},
    {icloud, Stage::mail, 550, "5.7.1",
     "Your email was rejected due to having a domain present in the Spamhaus DBL [HM08]", blocked, source},
    {icloud, Stage::rcpt, 552, "5.2.2", "user is overquota", mailbox_full, recipient, Treat::defer},
    {elsewhere, Stage::rcpt, 450, "4.2.0",
     "<a@example.com>: Recipient address rejected: Greylisted, see "
     "http://postgrey.schweikert.ch/help/example.com.html",
     greylisting, recipient},
    {elsewhere, Stage::rcpt, 451, "4.7.1", "Greylisting in action, please come back in 00:02:00", greylisting,
     recipient},
    {elsewhere, Stage::rcpt, 451, "4.7.1", "Please try again later", greylisting, recipient},
    {elsewhere, Stage::rcpt, 451, "", "Temporarily rejected. This is the first contact from this sender.",
     greylisting, recipient},
    {elsewhere, Stage::greeting, 421, "4.7.0", "mx.example.com Error: too many connections from 192.0.2.1",
     too_many_connections, site, Treat::defer},
    {elsewhere, Stage::greeting, 554, "", "Too many concurrent SMTP connections from this host",
     too_many_connections, site, Treat::defer},
    {elsewhere, Stage::rcpt, 452, "4.7.1", "Rate limit exceeded, slow down", throttling, site},
    {elsewhere, Stage::final_dot, 550, "5.7.0", "Message throttled: too many messages from your domain",
     throttling, site, Treat::defer},
    {elsewhere, Stage::rcpt, 554, "5.7.1",
     "Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; "
     "https://www.spamhaus.org/query/ip/192.0.2.1",
     blocked, source},
    {elsewhere, Stage::rcpt, 550, "5.7.1", "192.0.2.1 is listed in a DNSBL", blocked, source},
    {elsewhere, Stage::greeting, 554, "",
     "Your access to this mail system has been rejected due to the sending MTA's poor reputation.", blocked,
     source},
    {elsewhere, Stage::final_dot, 550, "5.7.1", "Email rejected per DMARC policy for example.org",
     authentication, sender_domain},
    {elsewhere, Stage::rcpt, 550, "5.7.23",
     "<a@example.com>: Recipient address rejected: Message rejected due to: SPF fail - not authorized.",
     authentication, sender_domain},
    {elsewhere, Stage::greeting, 450, "4.7.25",
     "Client host rejected: cannot find your hostname, [192.0.2.1]", dns, source},
    {elsewhere, Stage::mail, 450, "4.1.8", "<a@example.org>: Sender address rejected: Domain not found", dns,
     sender_domain},
    {elsewhere, Stage::final_dot, 554, "5.7.1", "Message contains a virus: Eicar-Test-Signature", virus,
     content},
    {elsewhere, Stage::final_dot, 554, "5.7.1", "Spam message rejected", spam, content},
    {elsewhere, Stage::final_dot, 550, "", "This message was classified as SPAM and may not be delivered",
     spam, content},
    {elsewhere, Stage::rcpt, 552, "5.2.2", "<a@example.com>: Over quota", mailbox_full, recipient},
    {elsewhere, Stage::rcpt, 452, "4.2.2", "Mailbox full", mailbox_full, recipient},
    {elsewhere, Stage::rcpt, 550, "5.1.1",
     "<a@example.com>: Recipient address rejected: User unknown in virtual mailbox table", unknown_user,
     recipient},
    {elsewhere, Stage::rcpt, 550, "", "No such user here", unknown_user, recipient},
    {elsewhere, Stage::rcpt, 550, "", "Unrouteable address", unknown_user, recipient},
    {elsewhere, Stage::rcpt, 554, "", "delivery error: this account has been disabled or discontinued",
     mailbox_disabled, recipient},
    {elsewhere, Stage::rcpt, 554, "5.7.1", "<a@example.com>: Relay access denied", relay_denied, site},
    {elsewhere, Stage::rcpt, 550, "5.7.54", "SMTP; Unable to relay recipient in non-accepted domain",
     relay_denied, site},
    {elsewhere, Stage::mail, 530, "5.7.0", "Must issue a STARTTLS command first", tls_required, site,
     Treat::defer},
    {elsewhere, Stage::mail, 552, "5.3.4", "Message size exceeds fixed limit", too_large, message},
    {elsewhere, Stage::mail, 452, "4.3.1", "Insufficient system storage", host_trouble, site},
    {elsewhere, Stage::mail, 451, "4.3.0", "Temporary lookup failure", host_trouble, site},
    {elsewhere, Stage::ehlo, 421, "4.3.2", "Service shutting down", host_trouble, site},
    {elsewhere, Stage::greeting, 421, "", "Service not available, closing transmission channel", host_trouble,
     site},
    {elsewhere, Stage::rcpt, 501, "5.1.3", "Bad recipient address syntax", bad_address, recipient},
    {elsewhere, Stage::mail, 501, "5.5.4", "Syntax error in parameters", protocol, message},
    {elsewhere, Stage::rcpt, 550, "5.1.10", "The domain does not accept mail", domain_disabled, site},
    {elsewhere, Stage::rcpt, 550, "", "Administrative prohibition", Cause::other, recipient},
};

TEST_CASE("classification: replies as hosts give them") {
  const auto classifier = load_classifier("");
  REQUIRE_MESSAGE(classifier.has_value(), (classifier ? "" : classifier.error().front()));
  for (const Said& said : replies) {
    CAPTURE(said.text);
    const queue::Class got = (*classifier)
                                 ->classify({said.code, std::string(said.enhanced), {std::string(said.text)}},
                                            said.stage, said.host);
    CHECK(text(got.cause) == text(said.cause));
    CHECK(text(got.scope) == text(said.scope));
    CHECK(got.treat == said.treat);
  }
}

TEST_CASE("classification: a file's faults are told all at once, with their lines") {
  const auto table = parse_classify(
      "rules:\n"
      "  - {code: 421, cause: throttling, scope: site}\n"
      "  - {code: 4xxx, cause: throttling, scope: site}\n"
      "  - {text: '(', cause: spam, scope: content}\n"
      "  - {code: 5xx, cause: annoyance, scope: world, treat: ignore}\n"
      "  - {cause: spam, scope: content}\n"
      "  - {code: 5xx, scope: content, colour: red, pause: 2d}\n");
  std::vector<int> lines;
  for (const Fault& fault : table.faults) lines.push_back(fault.line);
  CHECK(lines == std::vector<int>{3, 4, 5, 5, 5, 6, 7, 7, 7});
}

TEST_CASE("classification: an administrator's rules come first") {
  std::string directory = (std::filesystem::temp_directory_path() / "relay-classify-XXXXXX").string();
  REQUIRE(::mkdtemp(directory.data()) != nullptr);
  const std::string file = directory + "/classify.yaml";
  std::ofstream(file) << "rules:\n  - {host: mx.example.com, code: 550, cause: policy, scope: account, "
                         "treat: defer, pause: 30m}\n";
  const auto classifier = load_classifier(file);
  REQUIRE(classifier.has_value());
  const auto got = (*classifier)->classify({550, "5.1.1", {"User unknown"}}, Stage::rcpt, "mx.example.com");
  CHECK(got.cause == policy);
  CHECK(got.scope == account);
  CHECK(got.treat == Treat::defer);
  CHECK(got.pause == std::chrono::minutes(30));
  CHECK((*classifier)->classify({550, "5.1.1", {"User unknown"}}, Stage::rcpt, "mx.example.net").cause ==
        unknown_user);

  std::ofstream(file) << "rules:\n  - {code: 550}\n";
  const auto wrong = load_classifier(file);
  REQUIRE_FALSE(wrong.has_value());
  CHECK(wrong.error().size() == 2);
  CHECK(wrong.error()[0].starts_with(file + ":2: rules[0]"));
  CHECK(load_classifier(directory + "/none").error()[0] ==
        directory + "/none: cannot be read: No such file or directory");
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace relay::conf
