#include "mta/base/address_guard.h"

#include <doctest/doctest.h>

using namespace relay;

TEST_CASE("what kind of address it is") {
  struct Case {
    std::string address;
    std::string kind;  // empty: a public one
  };
  const Case cases[] = {
      {"0.0.0.0", "an unspecified address"},
      {"0.255.255.255", "an unspecified address"},
      {"1.0.0.0", ""},
      {"9.255.255.255", ""},
      {"10.0.0.0", "a private address"},
      {"10.255.255.255", "a private address"},
      {"11.0.0.0", ""},
      {"100.63.255.255", ""},
      {"100.64.0.0", "a shared address (CGNAT)"},
      {"100.127.255.255", "a shared address (CGNAT)"},
      {"100.128.0.0", ""},
      {"126.255.255.255", ""},
      {"127.0.0.1", "a loopback address"},
      {"127.255.255.255", "a loopback address"},
      {"128.0.0.0", ""},
      {"169.254.169.254", "a link-local address"},
      {"169.253.0.1", ""},
      {"172.15.255.255", ""},
      {"172.16.0.0", "a private address"},
      {"172.31.255.255", "a private address"},
      {"172.32.0.0", ""},
      {"192.0.0.8", "a reserved address"},
      {"192.0.1.0", ""},
      {"192.0.2.1", "an address for documentation"},
      {"192.88.99.1", "a reserved address"},
      {"192.168.0.1", "a private address"},
      {"192.169.0.0", ""},
      {"198.18.0.1", "an address for benchmarks"},
      {"198.19.255.255", "an address for benchmarks"},
      {"198.20.0.0", ""},
      {"198.51.100.7", "an address for documentation"},
      {"203.0.113.9", "an address for documentation"},
      {"223.255.255.255", ""},
      {"224.0.0.1", "a multicast address"},
      {"239.1.2.3", "a multicast address"},
      {"240.0.0.1", "a reserved address"},
      {"255.255.255.255", "a reserved address"},
      {"::", "an unspecified address"},
      {"::1", "a loopback address"},
      {"::2", "a reserved address"},
      {"::10.0.0.1", "a reserved address"},  // RFC 4291 2.5.5.1, no longer in use
      {"::8.8.8.8", "a reserved address"},
      {"::ffff:127.0.0.1", "a loopback address"},
      {"::ffff:a00:1", "a private address"},
      {"::ffff:9.9.9.9", ""},
      {"64:ff9b::7f00:1", "a loopback address"},
      {"64:ff9b::192.168.1.1", "a private address"},
      {"64:ff9b::9.9.9.9", ""},
      {"64:ff9b:1::9.9.9.9", "a private address"},
      {"64:ff9c::1", "a reserved address"},
      {"100::1", "a reserved address"},
      {"2001:0:909:909::f6f6:f6f6", ""},                   // Teredo: 9.9.9.9 by 9.9.9.9
      {"2001:0:909:909::f5ff:fffe", "a private address"},  // 10.0.0.1
      {"2001:0:a00:1::f6f6:f6f6", "a private address"},
      {"2001:2::1", "an address for benchmarks"},
      {"2001:20::1", "a reserved address"},
      {"2001:db8::1", "an address for documentation"},
      {"2001:db9::1", ""},
      {"2001:200::1", ""},
      {"2002:7f00:1::1", "a loopback address"},
      {"2002:c0a8:101::1", "a private address"},
      {"2002:909:909::1", ""},
      {"2606:4700:4700::1111", ""},
      {"3fff:fff::1", "an address for documentation"},
      {"3fff:1000::1", ""},
      {"4000::1", "a reserved address"},
      {"5f00::1", "a reserved address"},
      {"fc00::1", "a private address"},
      {"fdff::1", "a private address"},
      {"fe80::1", "a link-local address"},
      {"fec0::1", "a private address"},
      {"ff02::1", "a multicast address"},
      {"", "no address"},
      {"example.com", "no address"},
      {"127.1", "no address"},
      {"2130706433", "no address"},
      {"fe80::1%eth0", "no address"},
      {std::string("9.9.9.9\0", 8), "no address"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.address);
    CHECK(special_address(c.address).value_or("") == c.kind);
  }
}

TEST_CASE("what is allowed expressly is not refused") {
  const AddressGuard none;
  CHECK(none.refuses("10.0.0.1") == "a private address");
  CHECK_FALSE(none.refuses("9.9.9.9"));
  const AddressGuard some({"10.1.0.0/16", "loopback", "fd00::/8"});
  CHECK_FALSE(some.refuses("10.1.2.3"));
  CHECK_FALSE(some.refuses("::ffff:10.1.2.3"));
  CHECK(some.refuses("10.2.0.1") == "a private address");
  CHECK_FALSE(some.refuses("127.0.0.1"));
  CHECK_FALSE(some.refuses("::1"));
  CHECK_FALSE(some.refuses("fd12::1"));
  CHECK(some.refuses("fc00::1") == "a private address");
  CHECK(some.allows_expressly("10.1.0.0"));
  CHECK_FALSE(some.allows_expressly("9.9.9.9"));
}
