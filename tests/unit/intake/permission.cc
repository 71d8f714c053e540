#include "mta/intake/permission.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace relay;
using namespace relay::intake;
using spool::KeyPolicy;
using spool::SenderCheck;

namespace {

KeyPolicy domains(std::vector<std::string> of, SenderCheck check = SenderCheck::both) {
  KeyPolicy policy;
  policy.domains = std::move(of);
  policy.check = check;
  return policy;
}

std::string said(const std::optional<Refusal>& refused) { return refused ? refused->reply.text() : ""; }

std::string header(const KeyPolicy& policy, const std::string& content) {
  return said(check_header(policy, Body(content), 1000));
}

const std::string not_net =
    "550 5.7.1 This key may not send as example.net, only as example.com; use such a ";

}  // namespace

TEST_CASE("the envelope's sender") {
  struct Case {
    KeyPolicy policy;
    std::string sender, reply;
  };
  KeyPolicy address;
  address.addresses = {"Shop@example.com"};
  KeyPolicy both = domains({"example.org"});
  both.addresses = address.addresses;
  for (const auto& [policy, sender, reply] : {
           Case{{}, "a@example.net", ""},
           Case{{}, "", ""},
           Case{domains({"example.com"}), "a@example.com", ""},
           Case{domains({"example.com"}), "a@example.net",
                not_net + "sender address or ask for the domain to be added"},
           Case{domains({"example.com"}), "a@sub.example.com",
                "550 5.7.1 This key may not send as sub.example.com, only as example.com; use such a sender "
                "address or ask for the domain to be added"},
           Case{domains({"*.example.com"}), "a@sub.example.com", ""},
           Case{domains({"*.example.com"}), "a@deep.sub.example.com", ""},
           Case{domains({"*.example.com"}), "a@badexample.com",
                "550 5.7.1 This key may not send as badexample.com, only as *.example.com; use such a sender "
                "address or ask for the domain to be added"},
           Case{domains({"*.example.com"}), "a@example.com",
                "550 5.7.1 This key may not send as example.com, only as *.example.com; use such a sender "
                "address or ask for the domain to be added"},
           Case{address, "shop@example.com", ""},
           Case{address, "other@example.com",
                "550 5.7.1 This key may not send as other@example.com, only as Shop@example.com; use such a "
                "sender address or ask for the address to be added"},
           Case{
               address, "j\xc3\xbc@example.com",
               "550 5.7.1 This key may not send as that address, only as Shop@example.com; use such a sender "
               "address or ask for the address to be added"},
           Case{both, "shop@example.com", ""},
           Case{both, "any@example.org", ""},
           Case{both, "x@example.com",
                "550 5.7.1 This key may not send as x@example.com, only as Shop@example.com or example.org; "
                "use "
                "such a sender address or ask for the address to be added"},
           Case{domains({"example.com"}), "", ""},  // the header section is looked at
           Case{domains({"example.com"}, SenderCheck::header), "a@example.net", ""},
           Case{
               domains({"example.com"}, SenderCheck::envelope), "",
               "550 5.7.1 This key may not send with the null sender, only as example.com; use such a sender "
               "address"},
           Case{domains({"example.com"}, SenderCheck::envelope), "a@[192.0.2.1]",
                "550 5.7.1 This key may not send as [192.0.2.1], only as example.com; use such a sender "
                "address or "
                "ask for the domain to be added"},
       }) {
    CAPTURE(sender);
    const auto refused = check_reverse_path(policy, sender);
    CHECK(said(refused) == reply);
    if (refused) CHECK(refused->reason == Refused::sender);
  }
}

TEST_CASE("From and Sender") {
  struct Case {
    std::string content, reply;
  };
  const std::string from = not_net + "From address or ask for the domain to be added";
  const std::string unreadable = ", so it cannot be told whether this key may send it";
  for (const auto& [content, reply] : {
           Case{"From: A <a@example.com>\r\n\r\n", ""},
           Case{"from : a@EXAMPLE.com\r\n\r\n", ""},
           Case{"FROM:\r\n \"x, y@example.net\" (z@example.net)\r\n <a@example.com>\r\n\r\n", ""},
           Case{"From: a@example.com, B <b@example.com>\r\nSender: a@example.com\r\n\r\n", ""},
           Case{"From: a@example.com\r\n\r\nFrom: a@example.net\r\n", ""},  // of the body
           Case{"From: a@example.net\r\n\r\n", from},
           Case{
               "From: a@example.com <b@example.net>\r\n\r\n",
               "554 5.6.0 The From field is not one address, as in \"Name\" <user@example.com>" + unreadable},
           Case{"From: \"a@example.com\" <b@example.net>\r\n\r\n", from},
           Case{"From: a@example.com, b@example.net\r\n\r\n", from},
           Case{"From: =?utf-8?q?a=40example.com?= <b@example.net>\r\n\r\n", from},
           Case{"From: a@example.com\r\nSender: b@example.net\r\n\r\n",
                not_net + "Sender address or ask for the domain to be added"},
           Case{"From: a@example.com\r\nFrom: a@example.com\r\n\r\n",
                "554 5.6.0 The message has more than one From field; send it with one"},
           Case{"Sender: a@example.com\r\nFrom: a@example.com\r\nSENDER: a@example.com\r\n\r\n",
                "554 5.6.0 The message has more than one Sender field; send it with one or none"},
           Case{
               "Subject: x\r\n\r\n",
               "554 5.6.0 The message has no From field, and this key may send only as example.com; add one"},
           Case{"From: a@example.com\r\njunk\r\nFrom: a@example.net\r\n\r\n",
                "554 5.6.0 A line of the header section is no field, so it cannot be told who sends; leave "
                "it out"},
           Case{"From: friends: a@example.com;\r\n\r\n",
                "554 5.6.0 The From field is a group, or has a name with a colon that is not in quotes" +
                    unreadable},
           Case{"From: \r\n\r\n", "554 5.6.0 The From field is empty" + unreadable},
           Case{"From: a@example.com,\r\n\r\n", "554 5.6.0 The From field is empty" + unreadable},
           Case{"From: \xe4 <a@example.com>\r\n\r\n", ""},
           Case{"From: M\xfcller (\xe4) <a@example.com>, \"\xe4\" <b@example.com>\r\n\r\n", ""},
           Case{"From: M\xfcller <a@example.net>\r\n\r\n", from},
           Case{"From: \xe4@example.com\r\n\r\n",
                "554 5.6.0 The From field is not valid UTF-8 and can be read in several ways" + unreadable},
           Case{"From: \xe4x@example.com\r\n\r\n",
                "554 5.6.0 The From field has an address that is not valid UTF-8" + unreadable},
           Case{"From: a@\xe4.example.com\r\n\r\n",
                "554 5.6.0 The From field has an address that is not valid UTF-8" + unreadable},
           Case{"From: \"\x83\\\" <a@example.com>, \"<b@example.net>\r\n\r\n",
                "554 5.6.0 The From field is not valid UTF-8 and can be read in several ways" + unreadable},
           Case{"From: (hi) a@example.com\r\n\r\n", ""},
           Case{"From: (b@example.net) a@example.com (c)\r\n\r\n", ""},
           Case{"From: (hi) a@example.net\r\n\r\n", from},
           Case{"From: a (x) @example.com\r\n\r\n",
                "554 5.6.0 The From field is not a valid address" + unreadable},
           Case{"Resent-From: b@example.net\r\nFrom: a@example.com\r\n\r\n", ""},
           Case{"From: \xc3\xa4 <a@example.com>\r\n\r\n", ""},
       }) {
    CAPTURE(content);
    CHECK(header(domains({"example.com"}), content) == reply);
    CHECK(header(domains({"example.com"}, SenderCheck::envelope), content).empty());
    CHECK(header({}, content).empty());
  }
  CHECK(header(domains({"xn--mnchen-3ya.example"}), "From: a@m\xc3\xbcnchen.example\r\n\r\n").empty());
  CHECK(header(domains({"example.com"}, SenderCheck::header), "From: a@example.net\r\n\r\n") == from);
}

TEST_CASE("however the content is cut, the header section is read the same") {
  const std::string content = "From: a@example.com,\r\n b@example.net\r\nSender: a@example.com\r\n\r\nx";
  for (std::size_t cut = 0; cut <= content.size(); ++cut) {
    Body body(content.substr(0, cut));
    body.append(content.substr(cut));
    CHECK(said(check_header(domains({"example.com"}), body, 1000)).starts_with(not_net));
  }
}

TEST_CASE("a sentence fits a reply's line, however long the policy") {
  KeyPolicy policy;
  for (int i = 0; i < 50; ++i)
    policy.domains.push_back(std::string(60, 'a') + std::to_string(i) + ".example");
  const auto refused = check_reverse_path(policy, "a@" + std::string(250, 'b') + ".example");
  REQUIRE(refused.has_value());
  CHECK(refused->reply.encode().size() <= 512);
  CHECK(said(refused).find("and 48 more; use") != std::string::npos);
}

TEST_CASE("where a key may be used from") {
  KeyPolicy policy;
  CHECK_FALSE(check_network(policy, {}, "192.0.2.1").has_value());
  policy.networks = {"192.0.2.0/24", "2001:db8::/32"};
  const std::vector<Network> networks{*Network::parse("192.0.2.0/24"), *Network::parse("2001:db8::/32")};
  for (const std::string address : {"192.0.2.255", "2001:db8::1", "::ffff:192.0.2.9"})
    CHECK_FALSE(check_network(policy, networks, address).has_value());
  CHECK(said(check_network(policy, networks, "192.0.3.1")) ==
        "550 5.7.1 This key may not be used from 192.0.3.1; ask for the address to be added to the key's "
        "networks");
  CHECK(
      said(check_network(policy, networks, "")) ==  // the Unix socket
      "550 5.7.1 This key may not be used from here; ask for the address to be added to the key's networks");
  CHECK(check_network(policy, {}, "192.0.2.1")->reason == Refused::network);  // none of them can be read
}

TEST_CASE("size and recipients") {
  KeyPolicy policy;
  CHECK_FALSE(check_size(policy, UINT64_MAX).has_value());
  CHECK_FALSE(check_recipients(policy, 1'000'000).has_value());
  policy.message_bytes = 1000;
  policy.recipients = 2;
  CHECK_FALSE(check_size(policy, 1000).has_value());
  CHECK_FALSE(check_recipients(policy, 2).has_value());
  CHECK(said(check_size(policy, 1001)) ==
        "552 5.3.4 Message is larger than the 1000 bytes this key may send; send less or ask for more");
  CHECK(said(check_recipients(policy, 3)) ==
        "452 4.5.3 This key may send a message to 2 recipients; send to the others in another one");
}
