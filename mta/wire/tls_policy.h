// What TLS a session with a host must have, and what became of it. Plain values; no OpenSSL.
//
// A policy is given to the client's dialog, and the dialer keeps to the same value, so that what is demanded
// of the handshake and what is said before and after it cannot differ.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace relay::wire {

// In order of strictness.
enum class TlsLevel : std::uint8_t {
  none,           // TLS is not asked for
  opportunistic,  // where offered, with anyone, also of old versions: the other choice is none (RFC 7435)
  encrypt,        // always, with anyone
  verify,         // always, with a certificate of a trusted authority for one of TlsPolicy::names
  dane,           // always, with a certificate that TlsPolicy::tlsa vouches for (RFC 7672)
};

// A TLSA record whose DNSSEC signatures have been verified (RFC 6698 2.1).
struct TlsaRecord {
  std::uint8_t usage = 0, selector = 0, matching = 0;
  std::string data;  // bytes, not hexadecimal
  friend bool operator==(const TlsaRecord&, const TlsaRecord&) = default;
};

struct TlsPolicy {
  TlsLevel level = TlsLevel::opportunistic;
  bool implicit = false;  // TLS from the first byte, as on port 465 (RFC 8314 3.3); with any level but none
  // verify: reference names of which the certificate must have one; "*.example.com" is any host one label
  // below. Empty: the host's name. With MTA-STS (RFC 8461 4.1) that is the host's, once a pattern of the
  // policy has admitted the host. dane: the TLSA base domain, which is asked for by SNI too, and then the
  // other names of RFC 7672 3.2.2. Empty: the host's name.
  std::vector<std::string> names = {};
  // dane: records of which none can be used, or none at all, leave what encrypt demands (RFC 7672 2.1.1).
  std::vector<TlsaRecord> tlsa = {};

  bool demands_tls() const { return level >= TlsLevel::encrypt; }
  friend bool operator==(const TlsPolicy&, const TlsPolicy&) = default;
};

// Why TLS was not what it should have been, as reports count it: the result types of RFC 8460 4.3. Those of
// policies and of DNS are found by whoever looks these up.
enum class TlsProblem : std::uint8_t {
  starttls_not_supported,
  certificate_host_mismatch,
  certificate_expired,
  certificate_not_trusted,  // all else that is wrong with a certificate
  validation_failure,       // all else
  tlsa_invalid,
  dnssec_invalid,
  dane_required,
  sts_policy_fetch_error,
  sts_policy_invalid,
  sts_webpki_invalid,
};
std::string_view text(TlsProblem problem);  // "starttls-not-supported"

struct TlsFailure {
  TlsProblem problem = TlsProblem::validation_failure;
  std::string text;  // a phrase for the log
};

// By what the peer has proved to be the one that was meant.
enum class TlsVerified : std::uint8_t { no, name, dane };

// An established session.
struct TlsInfo {
  std::string version;  // "TLSv1.3"
  std::string cipher;
  TlsVerified verified = TlsVerified::no;
  // Of a client's session, the peer's certificate: its DNS names (or else its common name), at most sixteen,
  // and the SHA-256 of it in lower-case hexadecimal.
  std::vector<std::string> peer_names = {};
  std::string peer_sha256 = {};
  std::optional<TlsFailure> unverified = {};  // why it was not verified although that was wished
  bool resumed = false;                       // an earlier session taken up again
};

}  // namespace relay::wire
