#include "mta/wire/address.h"

#include <doctest/doctest.h>

#include <string>

using namespace relay::wire;

namespace {

const std::string local64(64, 'a');
const std::string label63(63, 'b');

struct Valid {
  std::string text, canonical;
  bool utf8 = false;
};
const Valid valid[] = {
    {"a@b", "a@b"},
    {"User.Name+tag@Example.COM", "User.Name+tag@example.com"},
    {"!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~@example.com"},
    {"\"a b\"@example.com", "\"a b\"@example.com"},
    {"\"a@b\"@example.com", "\"a@b\"@example.com"},
    {"\"a\\\"b\"@example.com", "\"a\\\"b\"@example.com"},
    {"\"plain.dot\"@example.com", "plain.dot@example.com"},
    {"\"pl\\ain\"@example.com", "plain@example.com"},
    {"\"\"@example.com", "\"\"@example.com"},
    {"\">\"@example.com", "\">\"@example.com"},
    {"a@[192.0.2.1]", "a@[192.0.2.1]"},
    {"a@[IPv6:2001:DB8::1]", "a@[IPv6:2001:db8::1]"},
    {"a@[ipv6:2001:db8:0:0:0:0:0:1]", "a@[IPv6:2001:db8::1]"},
    {"a@xn--bcher-kva.example", "a@xn--bcher-kva.example"},
    {"a@b\xc3\xbc"
     "cher.example",
     "a@xn--bcher-kva.example"},
    {"a@B\xc3\x9c"
     "CHER.EXAMPLE",
     "a@xn--bcher-kva.example"},
    {"a@_dmarc.example.com", "a@_dmarc.example.com"},
    {"j\xc3\xb6rg@example.com", "j\xc3\xb6rg@example.com", true},
    {"j\xc3\xb6rg@b\xc3\xbc"
     "cher.example",
     "j\xc3\xb6rg@xn--bcher-kva.example", true},
    {"\"j\xc3\xb6 rg\"@example.com", "\"j\xc3\xb6 rg\"@example.com", true},
    {local64 + "@example.com", local64 + "@example.com"},
    {"a@" + label63 + ".example", "a@" + label63 + ".example"},
};

const std::string invalid[] = {
    "",
    "a",
    "@b",
    "a@",
    "a b@c",
    ".a@b",
    "a.@b",
    "a..b@c",
    "a@b@c",
    "a@b..c",
    "a@.b",
    "a@b.",
    "a@-b",
    "a@b-",
    "a@b c",
    "a@b\tc",
    "a,b@c",
    "a;b@c",
    "a:b@c",
    "(x)a@b",
    "a@b(x)",
    "<a@b>",
    "\"a@b",
    "\"a\"b@c",
    "\"a\"",
    "\"a\\\"@b",
    "\"a\rb\"@c",
    "\"a\nb\"@c",
    "\"a\x7f\"@c",
    "a\r\n@b",
    "a@b\r\n",
    "a@[192.0.2]",
    "a@[192.0.2.256]",
    "a@[192.0.2.1",
    "a@192.0.2.1]",
    "a@[]",
    "a@[IPv6:]",
    "a@[IPv6:fe80::1%eth0]",
    "a@[IPv6:1::2::3]",
    "a@[x:y]",
    "a@b\x80",
    "\xff@b",
    "j\xc3@example.com",
    "j\xc0\xaf@example.com",
    "j\xed\xa0\x80@example.com",
    "j\xf5\x80\x80\x80@example.com",
    "a@\xef\xbc\xa0"
    "b.example",
    std::string("a\0b@c", 5),
    std::string("a@b\0c", 5),
    std::string("a@\xc3\xbc\0b", 6),
    local64 + "a@b",
    "a@" + label63 + "b.example",
};

}  // namespace

TEST_CASE("address: mailboxes in their canonical form") {
  for (const Valid& v : valid) {
    CAPTURE(v.text);
    auto address = parse_address(v.text, {.utf8 = true});
    REQUIRE(address.has_value());
    CHECK(address->text == v.canonical);
    CHECK(address->needs_utf8 == v.utf8);
    auto again = parse_address(address->text, {.utf8 = true});
    REQUIRE(again.has_value());
    CHECK(again->text == v.canonical);
    // Without SMTPUTF8 exactly those that need it are refused.
    CHECK(parse_address(v.text, {}).has_value() == !v.utf8);
  }
}

TEST_CASE("address: what is no mailbox") {
  for (const std::string& text : invalid) {
    CAPTURE(text);
    CHECK_FALSE(parse_address(text, {.utf8 = true}).has_value());
    CHECK_FALSE(parse_address(text, {}).has_value());
  }
}

TEST_CASE("address: 254 bytes and no more, also once the domain is in A-labels") {
  const std::string tail = "." + label63 + "." + label63 + ".ex";
  auto with_length = [&](std::size_t length) {
    return local64 + "@" + std::string(length - local64.size() - 1 - tail.size(), 'c') + tail;
  };
  REQUIRE(with_length(254).size() == 254);
  CHECK(parse_address(with_length(254), {}).has_value());
  CHECK_FALSE(parse_address(with_length(255), {}).has_value());
  std::string grows = local64 + "@";
  for (int i = 0; i < 20; ++i)
    grows +=
        "\xc3\xbc"
        "a.";
  grows += "example";
  REQUIRE(grows.size() < 254);
  CHECK_FALSE(parse_address(grows, {.utf8 = true}).has_value());
}

TEST_CASE("address: only postmaster may stand without a domain, in any case") {
  for (const char* text : {"postmaster", "Postmaster", "POSTMASTER"}) {
    CAPTURE(std::string(text));
    CHECK(parse_address(text, {.bare_postmaster = true}).has_value());
    CHECK_FALSE(parse_address(text, {}).has_value());
  }
  for (const char* text : {"bob", "postmaster2", "postmaste", ""}) {
    CAPTURE(std::string(text));
    CHECK_FALSE(parse_address(text, {.bare_postmaster = true}).has_value());
  }
}

TEST_CASE("address: paths") {
  struct {
    std::string text, address, rest;
  } const good[] = {
      {"<a@b>", "a@b", ""},
      {"<a@b> SIZE=1", "a@b", " SIZE=1"},
      {"<a@b>>", "a@b", ">"},
      {"<\">\"@b>x", "\">\"@b", "x"},
      {"<\"a\\\">\"@b>", "\"a\\\">\"@b", ""},
      {"<@relay.example:a@b>", "a@b", ""},
      {"<@r1.example,@r2.example:a@b>", "a@b", ""},
      {"<@[192.0.2.1]:a@b>", "a@b", ""},
  };
  for (const auto& g : good) {
    CAPTURE(g.text);
    auto path = parse_path(g.text, false, {});
    REQUIRE(path.has_value());
    CHECK(path->address.text == g.address);
    CHECK(path->rest == g.rest);
    // Every beginning that lacks the bracket is refused.
    std::size_t end = g.text.size() - g.rest.size();
    for (std::size_t cut = 0; cut < end; ++cut)
      CHECK_FALSE(parse_path(std::string_view(g.text).substr(0, cut), true, {}).has_value());
  }
  for (const char* bad : {"", "a@b", "<a@b", "a@b>", "< a@b>", "<a@b >", "<<a@b>>", "<@:a@b>", "<@r a@b>",
                          "<@r:>", "<r:a@b>", "<@r,:a@b>", "<@r,r2:a@b>", "<,@r:a@b>", "<a>", "< >"}) {
    CAPTURE(std::string(bad));
    CHECK_FALSE(parse_path(bad, true, {}).has_value());
  }
}

TEST_CASE("address: the null path only where it is allowed") {
  auto path = parse_path("<> BODY=7BIT", true, {});
  REQUIRE(path.has_value());
  CHECK(path->address.text.empty());
  CHECK(path->rest == " BODY=7BIT");
  CHECK_FALSE(parse_path("<>", false, {}).has_value());
}

TEST_CASE("address: UTF-8 is checked byte by byte") {
  for (const char* good :
       {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf"}) {
    CHECK(valid_utf8(good));
  }
  for (const char* bad : {"\x80", "\xc3", "\xc1\x81", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                          "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xe2\x82", "\xe2\x28\xa1", "\xff"}) {
    CHECK_FALSE(valid_utf8(bad));
  }
}
