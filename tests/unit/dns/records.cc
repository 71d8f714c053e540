#include "mta/dns/records.h"

#include <doctest/doctest.h>

#include "mta/dns/hosts.h"

using namespace relay::dns;
using namespace std::string_literals;

TEST_CASE("MX record data") {
  struct Case {
    std::string data;
    bool valid;
    std::uint16_t preference;
    std::string exchange;
  };
  const Case cases[] = {
      {"\x00\x0a\x02mx\x07"s + "Example\x03net\x00"s, true, 10, "mx.example.net"},
      {"\xff\xff\x01m_x\x00"s, false, 0, ""},  // the label is shorter than the text
      {"\xff\xff\x03m_x\x00"s, true, 65535, "m_x"},
      {"\x00\x00\x00"s, true, 0, ""},  // RFC 7505
      {"\x00\x00"s, false, 0, ""},
      {""s, false, 0, ""},
      {"\x00\x0a\x02mx"s, false, 0, ""},          // no root
      {"\x00\x0a\x05mx\x00"s, false, 0, ""},      // label past the end
      {"\x00\x0a\x02mx\x00\x00"s, false, 0, ""},  // bytes after the root
      {"\x00\x0a\xc0\x0c"s, false, 0, ""},        // compressed
      {"\x00\x0a\x03m x\x00"s, false, 0, ""},
      {"\x00\x0a\x03m.x\x00"s, false, 0, ""},  // a dot within a label
      {"\x00\x0a\x03m\x00x\x00"s, false, 0, ""},
  };
  for (const auto& c : cases) {
    CAPTURE(c.data);
    const auto mx = parse_mx(c.data);
    CHECK(mx.has_value() == c.valid);
    if (!mx) continue;
    CHECK(mx->preference == c.preference);
    CHECK(mx->exchange == c.exchange);
  }
}

TEST_CASE("an MX name longer than any domain may be is refused") {
  std::string data("\x00\x0a", 2);
  for (int i = 0; i < 5; ++i) data += '\x3f' + std::string(63, 'a');
  data += '\0';
  CHECK_FALSE(parse_mx(data));
}

TEST_CASE("address record data") {
  CHECK(parse_address(Type::a, "\xc0\x00\x02\x01"s) == "192.0.2.1");
  CHECK(parse_address(Type::aaaa, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"s) == "2001:db8::1");
  CHECK_FALSE(parse_address(Type::a, "\xc0\x00\x02"s));
  CHECK_FALSE(parse_address(Type::a, "\xc0\x00\x02\x01\x01"s));
  CHECK_FALSE(parse_address(Type::aaaa, "\xc0\x00\x02\x01"s));
}

TEST_CASE("TLSA record data") {
  const std::string sha256(32, 'x'), sha512(64, 'y');
  const auto full = parse_tlsa("\x03\x01\x01"s + sha256);
  REQUIRE(full.has_value());
  CHECK(full->usage == Tlsa::Usage::dane_ee);
  CHECK(full->selector == Tlsa::Selector::public_key);
  CHECK(full->matching == Tlsa::Matching::sha256);
  CHECK(full->data == sha256);
  const std::string valid[] = {"\x00\x00\x00\x30"s, "\x01\x01\x00"s + std::string(2000, 'c'),
                               "\x02\x00\x02"s + sha512, "\x03\x01\x00\x00"s};
  for (const auto& data : valid) {
    CAPTURE(data);
    CHECK(parse_tlsa(data).has_value());
  }
  const std::string unusable[] = {""s,
                                  "\x03\x01\x01"s,
                                  "\x03\x01\x00"s,           // nothing to match
                                  "\x04\x01\x01"s + sha256,  // numbers without a meaning
                                  "\xff\x01\x01"s + sha256,
                                  "\x03\x02\x01"s + sha256,
                                  "\x03\x01\x03"s + sha256,
                                  "\x03\x01\x01"s + sha512,  // a digest of the wrong length
                                  "\x03\x01\x02"s + sha256,
                                  "\x03\x01\x01"s + sha256 + "x"};
  for (const auto& data : unusable) {
    CAPTURE(data);
    CHECK_FALSE(parse_tlsa(data).has_value());
  }
}

TEST_CASE("TXT record data") {
  CHECK(parse_txt("\x03one"s) == "one");
  CHECK(parse_txt("\x03one\x00\x05 two;"s) == "one two;");
  CHECK(parse_txt("\x00"s) == "");
  CHECK(parse_txt("\xff"s + std::string(255, 'a') + "\x01"s + "b") == std::string(255, 'a') + "b");
  CHECK_FALSE(parse_txt(""s));
  CHECK_FALSE(parse_txt("\x04one"s));
  CHECK_FALSE(parse_txt("\x03one\x01"s));
}

TEST_CASE("literals") {
  CHECK(literal_address("192.0.2.1") == "192.0.2.1");
  CHECK(literal_address("2001:DB8:0::1") == "2001:db8::1");
  CHECK_FALSE(literal_address("192.0.2"));
  CHECK_FALSE(literal_address("192.0.2.1\0"s));
  CHECK_FALSE(literal_address("example.com"));
  CHECK_FALSE(literal_address(""));
  CHECK(domain_literal("[192.0.2.1]") == "192.0.2.1");
  CHECK(domain_literal("[IPv6:2001:db8::1]") == "2001:db8::1");
  CHECK(domain_literal("[ipv6:::1]") == "::1");
  CHECK_FALSE(domain_literal("[2001:db8::1]"));
  CHECK_FALSE(domain_literal("[IPv6:192.0.2.1]"));
  CHECK_FALSE(domain_literal("192.0.2.1"));
  CHECK_FALSE(domain_literal("["));
  CHECK_FALSE(domain_literal("[]"));
}

TEST_CASE("names that can be asked for") {
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'a');
  for (const auto& name : {"a"s, "example.com"s, "EXAMPLE.com."s, "_dmarc.x-1.de"s, longest}) {
    CAPTURE(name);
    CHECK(host_name(name));
  }
  for (const auto& name : {""s, "."s, ".a"s, "a..b"s, "a.."s, "a b"s, "a\0b"s, "a\\b"s, "m\xc3\xbcller.de"s,
                           label + "a", longest + "a"}) {
    CAPTURE(name);
    CHECK_FALSE(host_name(name));
  }
}

TEST_CASE("hosts file") {
  const auto table = parse_hosts(
      "# comment\n127.0.0.1\tlocalhost  Mail.Example.com # x\n::1 localhost\n\n  192.0.2.7 mailhog\r\n"
      "nonsense here\n192.0.2.8\n127.0.0.1 localhost\n192.0.2.9 last");
  CHECK(table.size() == 4);
  CHECK(table.at("localhost") == std::vector<std::string>{"127.0.0.1", "::1"});
  CHECK(table.at("mail.example.com") == std::vector<std::string>{"127.0.0.1"});
  CHECK(table.at("mailhog") == std::vector<std::string>{"192.0.2.7"});
  CHECK(table.at("last") == std::vector<std::string>{"192.0.2.9"});
  CHECK(read_hosts("/nonexistent/hosts").empty());
}
