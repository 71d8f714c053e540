#include "mta/wire/headers.h"

#include <doctest/doctest.h>

using namespace relay;
using namespace relay::wire;

namespace {

struct Case {
  std::string name, content;
  std::size_t header_bytes;
  std::uint32_t received;
  bool date, message_id, has_from;
  std::string from, subject, id;
  bool eight_bit = false;
};

const Case cases[] = {
    {"empty", "", 0, 0, false, false, false, "", "", ""},
    {"only an empty line", "\r\n", 0, 0, false, false, false, "", "", ""},
    {"usual", "From: a@b\r\nDate: x\r\nMessage-ID: <1@b>\r\nSubject: s\r\n\r\nFrom: body\r\n", 51, 0, true,
     true, true, "a@b", "s", "<1@b>"},
    {"any case, white space before the colon", "FROM : a@b\r\nmessage-id:<1@b>\r\n\r\n", 30, 0, false, true,
     true, "a@b", "", "<1@b>"},
    {"folded", "Subject: one\r\n two\r\n\tthree\r\nReceived: x\r\n y\r\nreceived: z\r\n\r\n", 58, 2, false,
     false, false, "", "one two\tthree", ""},
    {"the first counts", "Subject: 1\r\nSubject: 2\r\nFrom: y\r\nFrom: x\r\n\r\n", 42, 0, false, false, true,
     "y", "1", ""},
    {"the first counts, empty", "Subject:\r\nSubject: 2\r\nFrom:\r\nFrom: x\r\n\r\n", 38, 0, false, false,
     true, "", "", ""},
    {"no body", "Date: x\r\nSubject: s\r\n", 21, 0, true, false, false, "", "s", ""},
    {"no body, cut line", "Date: x\r\nSubject: s", 19, 0, true, false, false, "", "s", ""},
    {"no header section", "Hello world\r\nDate: x\r\n\r\n", 0, 0, false, false, false, "", "", ""},
    {"body without an empty line", "Date: x\r\nHello\r\nFrom: a\r\n", 9, 0, true, false, false, "", "", ""},
    {"begins with a continuation", " x\r\nDate: y\r\n\r\n", 0, 0, false, false, false, "", "", ""},
    {"mailbox line", "From a@b Sat Nov 21\r\nDate: x\r\n\r\n", 0, 0, false, false, false, "", "", ""},
    {"mailbox line with a time", "From a@b Sat Nov 21 10:00:00\r\nDate: x\r\n\r\n", 0, 0, false, false, false,
     "", "", ""},
    {"colon alone", ": x\r\n\r\n", 0, 0, false, false, false, "", "", ""},
    {"8-bit value", "Subject: \xc3\xa9\r\n\r\n", 13, 0, false, false, false, "", "\xc3\xa9", "", true},
    {"8-bit name", "Subj\xc3\xa9: x\r\n\r\n", 0, 0, false, false, false, "", "", ""},
    {"8-bit body", "Subject: x\r\n\r\n\xc3\xa9\r\n", 12, 0, false, false, false, "", "x", ""},
};

void check(const Case& c, const HeaderScan& scan) {
  CHECK(scan.complete);
  CHECK(scan.header_bytes == c.header_bytes);
  CHECK(scan.received == c.received);
  CHECK(scan.has_date == c.date);
  CHECK(scan.has_message_id == c.message_id);
  CHECK(scan.has_from == c.has_from);
  CHECK(scan.from == c.from);
  CHECK(scan.subject == c.subject);
  CHECK(scan.message_id == c.id);
  CHECK(scan.eight_bit == c.eight_bit);
}

}  // namespace

TEST_CASE("headers: scan, whole and with segments cut at every byte") {
  for (const Case& c : cases) {
    CAPTURE(c.name);
    check(c, scan_headers(Body(c.content)));
    for (std::size_t cut = 0; cut <= c.content.size(); ++cut) {
      CAPTURE(cut);
      Body body;
      body.append(c.content.substr(0, cut));
      body.append(c.content.substr(cut));
      check(c, scan_headers(body));
    }
    Body bytes;
    for (char byte : c.content) bytes.append(std::string(1, byte));
    check(c, scan_headers(bytes));
  }
}

TEST_CASE("headers: a section over the limit is told as far as it was read, however it is cut") {
  std::string content = "Date: x\r\n";
  for (int i = 0; i < 100; ++i) content += "X-Filler: yes\r\n";
  content += "From: late@example.com\r\n\r\nbody\r\n";
  for (std::size_t cut = 0; cut < 80; ++cut) {
    CAPTURE(cut);
    Body body;
    body.append(content.substr(0, cut));
    body.append(content.substr(cut));
    HeaderScan scan = scan_headers(body, 64);
    CHECK_FALSE(scan.complete);
    CHECK(scan.has_date);
    CHECK_FALSE(scan.has_from);
    CHECK(scan.header_bytes <= 64);
    CHECK(scan_headers(body).from == "late@example.com");
  }
}

TEST_CASE("headers: an empty line in the body does not hide that the section runs over its first segment") {
  Body body;
  body.append("Hello: x\r\nnot a field\r\n\r\n");
  body.append("From: a@b\r\n\r\n");
  CHECK_FALSE(scan_headers(body).has_from);
  CHECK(scan_headers(body).header_bytes == 10);
}

TEST_CASE("headers: values are bounded") {
  Body body("Subject: " + std::string(5000, 'x') + "\r\n\r\n");
  CHECK(scan_headers(body).subject.size() == 1000);
  CHECK(scan_headers(body).header_bytes == 5011);
}

TEST_CASE("headers: fields of a prefix are seen, in any case, in the section only") {
  const auto seen = [](const std::string& text) {
    return scan_headers(Body(text), 1000, "X-Own-").has_private;
  };
  CHECK(seen("From: a\r\nx-OWN-y: 1\r\n\r\n"));
  CHECK(seen("X-Own- : 1"));
  CHECK_FALSE(seen("From: X-Own-y: 1\r\n X-Own-y: 2\r\n\r\nX-Own-y: 3\r\n"));
  CHECK_FALSE(seen("X-Own: 1\r\n\r\n"));
  CHECK_FALSE(scan_headers(Body("X-Own-y: 1\r\n\r\n")).has_private);
}

TEST_CASE("headers: who has written and sent it, in full, and whether another program may read more") {
  const std::string long_value(5000, 'x');
  const auto fields = sender_fields(Body("Subject: From: x\r\nFROM : a\r\n\tb\r\nfrom:" + long_value +
                                         "\r\nSender:  c \r\n\r\nFrom: body\r\n"));
  CHECK(fields.from == std::vector<std::string>{"a\tb", long_value});
  CHECK(fields.sender == std::vector<std::string>{"c"});
  CHECK(fields.sound);
  CHECK(sender_fields(Body("From: a")).sound);
  CHECK(sender_fields(Body("From: a")).from.size() == 1);
  CHECK_FALSE(sender_fields(Body("From: a\r\nno field\r\n\r\n")).sound);
  CHECK_FALSE(sender_fields(Body("From: a\r\n" + long_value), 100).sound);
  CHECK(sender_fields(Body("")).from.empty());
}

TEST_CASE("headers: fields of the prefix behind a line that is no field are told, up to the empty line") {
  const auto hidden = [](const std::string& content) {
    return scan_headers(Body(content), 1000, "X-Relay-").hidden_private;
  };
  CHECK(hidden("From: a@b\r\nno field\r\nx-relay-Sandbox: true\r\n\r\ntext\r\n"));
  CHECK(hidden("From a@b Sat Nov 21\r\nX-Relay-Tag: a\r\n"));
  CHECK(hidden(": a\r\nSubject: x\r\nX-Relay-Tag: a\r\n\r\n"));
  CHECK_FALSE(hidden("X-Relay-Tag: a\r\n\r\nX-Relay-Tag: a\r\n"));
  CHECK_FALSE(hidden("no field\r\n\r\nX-Relay-Tag: a\r\n"));
  CHECK_FALSE(hidden("no field\r\nNot-X-Relay-Tag: a\r\n"));
  CHECK_FALSE(hidden(""));
}
