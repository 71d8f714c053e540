// The PROXY protocol's headers, whole and cut at every byte; see section 2 of HAProxy's proxy-protocol.txt.
#include "mta/wire/proxy_header.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace relay::wire;
using namespace std::string_literals;

namespace {

const std::string signature = "\r\n\r\n\0\r\nQUIT\n"s;

std::string two(std::size_t n) { return {static_cast<char>(n >> 8), static_cast<char>(n)}; }

std::string version_2(std::uint8_t command, std::uint8_t family, const std::string& rest) {
  return signature + static_cast<char>(command) + static_cast<char>(family) + two(rest.size()) + rest;
}

std::string field(std::uint8_t type, const std::string& value) {
  return static_cast<char>(type) + two(value.size()) + value;
}

const std::string v4 = "\xc0\x00\x02\x01"s + "\xcb\x00\x71\x07"s + two(40000) + two(587);
const std::string v6 = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01" + "\x20\x01\x0d\xb8"s +
                       std::string(11, '\0') + "\x02" + two(1) + two(65535);
const std::string v4_in_v6 = std::string(10, '\0') + "\xff\xff\xc0\x00\x02\x09"s + std::string(10, '\0') +
                             "\xff\xff\xc0\x00\x02\x0a"s + two(7) + two(8);

struct Good {
  std::string header;
  std::string source, destination;  // "192.0.2.1 40000"; empty: the connection's own
};

std::string text(const PeerInfo& peer) { return peer.address + " " + std::to_string(peer.port); }

const std::vector<Good> good{
    {"PROXY TCP4 192.0.2.1 203.0.113.7 40000 587\r\n", "192.0.2.1 40000", "203.0.113.7 587"},
    {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255 65535",
     "255.255.255.255 65535"},
    {"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0 0", "0.0.0.0 0"},
    {"PROXY TCP6 2001:db8::1 2001:DB8:0:0:0:0:0:2 1 65535\r\n", "2001:db8::1 1", "2001:db8::2 65535"},
    {"PROXY TCP6 ::ffff:192.0.2.9 ::ffff:c000:20a 7 8\r\n", "192.0.2.9 7", "192.0.2.10 8"},
    {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
     "65535\r\n",
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535"},
    {"PROXY UNKNOWN\r\n", "", ""},
    {"PROXY UNKNOWN ffff::1 whatever\0this is\r\n"s, "", ""},
    // The longest line there is: 107 bytes.
    {"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
     "65535\r\n",
     "", ""},
    {version_2(0x21, 0x11, v4), "192.0.2.1 40000", "203.0.113.7 587"},
    {version_2(0x21, 0x21, v6), "2001:db8::1 1", "2001:db8::2 65535"},
    {version_2(0x21, 0x21, v4_in_v6), "192.0.2.9 7", "192.0.2.10 8"},
    {version_2(0x21, 0x11, v4 + field(0x02, "mail.example") + field(0x04, "") + field(0xee, "own")),
     "192.0.2.1 40000", "203.0.113.7 587"},
    {version_2(0x21, 0x31, std::string(216, 'p') + field(0x05, "id")), "", ""},
    {version_2(0x21, 0x00, ""), "", ""},
    {version_2(0x21, 0x00, field(0x04, "pad")), "", ""},
    {version_2(0x20, 0x00, ""), "", ""},
    // LOCAL: whatever else the header has is to be ignored.
    {version_2(0x20, 0x11, v4), "", ""},
    {version_2(0x20, 0xff, "\x01\xff"), "", ""},
    // As large as a header may be.
    {version_2(0x21, 0x11, v4 + field(0x04, std::string(4096 - 16 - 12 - 3, 'x'))), "192.0.2.1 40000",
     "203.0.113.7 587"},
    // CRC-32C, made by HAProxy 2.6: send-proxy-v2 with proxy-v2-options crc32c.
    {version_2(0x21, 0x11,
               "\x7f\x00\x00\x01\x7f\x00\x00\x01\x9c\x40\x02\x4b"s + field(0x03, "\xa3\x35\x27\x77")),
     "127.0.0.1 40000", "127.0.0.1 587"},
};

TEST_CASE("headers that are right, whole and cut at every byte, with the client's bytes behind them") {
  for (const Good& g : good) {
    CAPTURE(g.header);
    for (std::size_t n = 0; n < g.header.size(); ++n) {
      CAPTURE(n);
      const auto part = parse_proxy_header(std::string_view(g.header).substr(0, n));
      REQUIRE(part);
      REQUIRE_FALSE(part->has_value());
    }
    for (const std::string& behind : {""s, "EHLO client\r\n"s, g.header}) {
      const auto whole = parse_proxy_header(g.header + behind);
      REQUIRE_MESSAGE(whole, (whole ? "" : whole.error().message));
      REQUIRE(whole->has_value());
      CHECK((*whole)->bytes == g.header.size());
      REQUIRE((*whole)->addresses.has_value() == !g.source.empty());
      if (g.source.empty()) continue;
      CHECK(text((*whole)->addresses->source) == g.source);
      CHECK(text((*whole)->addresses->destination) == g.destination);
    }
  }
}

struct Bad {
  std::string bytes;
  std::string why;
};

const std::vector<Bad> bad{
    {"E", "it does not begin as a PROXY header does"},
    {"EHLO client\r\n", "it does not begin as a PROXY header does"},
    {"\x16\x03\x01", "it does not begin as a PROXY header does"},  // TLS
    {"proxy TCP4", "it does not begin as a PROXY header does"},
    {"PROXY\r\n", "it does not begin as a PROXY header does"},
    {" PROXY TCP4", "it does not begin as a PROXY header does"},
    {"\r\n\r\n\0\r\nQUIX"s, "it does not begin as a PROXY header does"},
    {"\r\nPROXY", "it does not begin as a PROXY header does"},
    {"PROXY \r\n", "the protocol is not TCP4, TCP6 or UNKNOWN"},
    {"PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "the protocol is not TCP4, TCP6 or UNKNOWN"},
    {"PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n", "the protocol is not TCP4, TCP6 or UNKNOWN"},
    {"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", "the protocol is not TCP4, TCP6 or UNKNOWN"},
    {"PROXY UNKNOWNS\r\n", "the protocol is not TCP4, TCP6 or UNKNOWN"},
    {"PROXY TCP4\r\n", "the line does not have two addresses and two ports"},
    {"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", "the line does not have two addresses and two ports"},
    {"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n", "the line does not have two addresses and two ports"},
    {"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", "the line does not have two addresses and two ports"},
    {"PROXY TCP4 192.0.2.1  192.0.2.2 1\r\n", "an address is not one of its protocol"},
    {"PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n", "an address is not one of its protocol"},
    {"PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n", "an address is not one of its protocol"},
    {"PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n", "an address is not one of its protocol"},
    {"PROXY TCP4 0x7f.0.0.1 192.0.2.2 1 2\r\n", "an address is not one of its protocol"},
    {"PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n"s, "an address is not one of its protocol"},
    {"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", "an address is not one of its protocol"},
    {"PROXY TCP4 localhost 192.0.2.2 1 2\r\n", "an address is not one of its protocol"},
    {"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", "an address is not one of its protocol"},
    {"PROXY TCP6 2001:db8::1::2 ::1 1 2\r\n", "an address is not one of its protocol"},
    {"PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n", "an address is not one of its protocol"},
    {"PROXY TCP6 12345::1 ::1 1 2\r\n", "an address is not one of its protocol"},
    {"PROXY TCP6 fe80::1%lo ::1 1 2\r\n", "an address is not one of its protocol"},
    {"PROXY TCP6 [::1] ::1 1 2\r\n", "an address is not one of its protocol"},
    {"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", "a port is no number from 0 to 65535"},
    {"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n", "a port is no number from 0 to 65535"},
    {"PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n", "a port is no number from 0 to 65535"},
    {"PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n", "a port is no number from 0 to 65535"},
    {"PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n", "a port is no number from 0 to 65535"},
    {"PROXY TCP4 192.0.2.1 192.0.2.2 1 2x\r\n", "a port is no number from 0 to 65535"},
    {"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", "the line does not end in CRLF"},
    {"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\rE", "a CR is not followed by LF"},
    {"PROXY UNKNOWN a\n\r\n", "the line does not end in CRLF"},
    {"PROXY UNKNOWN a\rb\r\n", "a CR is not followed by LF"},
    {"PROXY UNKNOWN " + std::string(93, 'x'), "the line is longer than 107 bytes"},
    {"PROXY UNKNOWN " + std::string(92, 'x') + "\r\n", "the line is longer than 107 bytes"},
    {signature + "\x11", "the version is not 2"},
    {signature + "\x31", "the version is not 2"},
    {signature + "\x22", "the command is neither LOCAL nor PROXY"},
    {signature + "\x2f", "the command is neither LOCAL nor PROXY"},
    {signature + "\x21\x11\x0f\xf1", "the header is longer than 4096 bytes"},
    {signature + "\x20\x11\xff\xff", "the header is longer than 4096 bytes"},
    {signature + "\x21\x12" + two(12), "the family is not one of streams"},
    {signature + "\x21\x32" + two(216), "the family is not one of streams"},
    {signature + "\x21\x41" + two(12), "the family is not one of streams"},
    {signature + "\x21\x01" + two(12), "the family is not one of streams"},
    {signature + "\x21\x10" + two(12), "the family is not one of streams"},
    {signature + "\x21\x11" + two(11), "the header has no room for its addresses"},
    {signature + "\x21\x21" + two(35), "the header has no room for its addresses"},
    {signature + "\x21\x31" + two(215), "the header has no room for its addresses"},
    {version_2(0x21, 0x11, v4 + "\x04\x00"s), "a field is cut off"},
    {version_2(0x21, 0x11, v4 + "\x04\x00\x02x"s), "a field is longer than what is left of the header"},
    {version_2(0x21, 0x11, v4 + field(0x04, "x") + "\x04"), "a field is cut off"},
    {version_2(0x21, 0x00, "\x04\xff\xff"), "a field is longer than what is left of the header"},
    {version_2(0x21, 0x11, v4 + field(0x03, "\0\0\0\0"s)), "the checksum does not hold"},
    {version_2(0x21, 0x11, v4 + field(0x03, "\0\0\0"s)), "the checksum is not four bytes, once"},
    {version_2(0x21, 0x11, v4 + field(0x03, "\0\0\0\0\0"s)), "the checksum is not four bytes, once"},
    {version_2(0x21, 0x31, std::string(216, 'p') + field(0x03, "\0\0\0\0"s)), "the checksum does not hold"},
};

TEST_CASE("headers that are malformed: said with their last byte at the latest, and never taken cut") {
  for (const Bad& b : bad) {
    CAPTURE(b.bytes);
    const auto whole = parse_proxy_header(b.bytes);
    REQUIRE_FALSE(whole);
    CHECK(whole.error().message == b.why);
    for (std::size_t n = 0; n < b.bytes.size(); ++n) {
      CAPTURE(n);
      const auto part = parse_proxy_header(std::string_view(b.bytes).substr(0, n));
      CHECK((!part || !part->has_value()));
    }
    CHECK_FALSE(parse_proxy_header(b.bytes + "EHLO client\r\n"));
  }
}

TEST_CASE("a checksum covers every byte of its header") {
  const std::string& summed = good.back().header;
  for (std::size_t at = 16; at < summed.size(); ++at) {
    CAPTURE(at);
    std::string wrong = summed;
    wrong[at] = static_cast<char>(wrong[at] ^ 1);
    const auto parsed = parse_proxy_header(wrong);
    // A field whose type has changed is no checksum any more; one whose length has does not fit.
    if (at == summed.size() - 7)
      CHECK(parsed);
    else
      CHECK_FALSE(parsed);
  }
}

}  // namespace
