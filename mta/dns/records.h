// Answers of the DNS as values, and their record data as text. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace relay::dns {

// RFC 1035 3.2.2, RFC 3596 2.1, RFC 6698 7.1
enum class Type : int { a = 1, ns = 2, cname = 5, mx = 15, txt = 16, aaaa = 28, tlsa = 52 };
std::string_view text(Type type);

struct Question {
  std::string name;
  Type type = Type::a;
  friend bool operator==(const Question&, const Question&) = default;
};

struct Answer {
  enum class Status {
    data,
    no_data,    // the name exists, without records of this type
    no_domain,  // NXDOMAIN
    failed,     // SERVFAIL, REFUSED, bogus, no answer: may be otherwise later
  } status = Status::failed;
  std::vector<std::string> data;  // record data in wire form, names uncompressed
  std::string detail;             // of failed: "SERVFAIL"
  // Validated by DNSSEC from a trust anchor down, every alias on the way included; of no_data and no_domain,
  // that there is nothing. False where nothing is validated.
  bool secure = false;
  bool bogus = false;  // failed, because it should have been validated and could not be
  std::string
      canonical{};  // lower case: the name the records have, if the one asked for is an alias; else empty
};

struct Mx {
  std::uint16_t preference = 0;
  std::string exchange;  // lower case; empty is the root, RFC 7505's "."
};

// nullopt if malformed, or if the exchange is no host name (RFC 1123 2.1; underscores are let pass).
std::optional<Mx> parse_mx(std::string_view data);
// Text of the record data of an A or AAAA record.
std::optional<std::string> parse_address(Type type, std::string_view data);

// What a host promises of its certificate (RFC 6698 2.1).
struct Tlsa {
  enum class Usage : std::uint8_t { pkix_ta, pkix_ee, dane_ta, dane_ee };
  enum class Selector : std::uint8_t { certificate, public_key };
  enum class Matching : std::uint8_t { exact, sha256, sha512 };
  Usage usage = Usage::dane_ee;
  Selector selector = Selector::certificate;
  Matching matching = Matching::exact;
  std::string data;  // octets: of a digest as many as it has, else at least one
  friend bool operator==(const Tlsa&, const Tlsa&) = default;
};
// nullopt for what is malformed or has a number without a meaning: unusable (RFC 6698 4.1).
std::optional<Tlsa> parse_tlsa(std::string_view data);

// The strings of a TXT record (RFC 1035 3.3.14) as one; nullopt if malformed.
std::optional<std::string> parse_txt(std::string_view data);

// The address in its usual text if `text` is an IPv4 or IPv6 address.
std::optional<std::string> literal_address(std::string_view text);
// The same for an address literal of RFC 5321 4.1.3: "[192.0.2.1]", "[IPv6:2001:db8::1]".
std::optional<std::string> domain_literal(std::string_view text);
// Whether it can be asked for: labels of 1 to 63 letters, digits, '-' and '_', at most 253 in all; a final
// dot is let pass.
bool host_name(std::string_view name);

}  // namespace relay::dns
