// What a domain says in TXT records about how mail is to come to it: that it has an MTA-STS policy (RFC 8461
// 3.1), and where reports about TLS go (RFC 8460 3). Pure. Both take every text found under the name, for
// what else stands there is passed over, and more than one record of the kind counts as none.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace relay::dns {

// The id of the policy, of the texts of _mta-sts.DOMAIN: a changed id tells of a changed policy. nullopt: no
// policy, or a record that is malformed.
std::optional<std::string> mta_sts_id(std::span<const std::string> texts);

// Where reports go, of the texts of _smtp._tls.DOMAIN: URIs as they stand there, mailto: and https: alone.
// Empty: nowhere.
std::vector<std::string> tls_report_uris(std::span<const std::string> texts);

}  // namespace relay::dns
