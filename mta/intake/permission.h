// What the policy of an API key says to a message, or to what is known of one. Pure; any thread.
//
// Every refusal is one that a sender can act on: its sentence says what may be sent instead, or whom to ask.
// What the key has used of its rate and day is KeyUse's.
#pragma once
#include <optional>
#include <span>
#include <string_view>

#include "mta/base/body.h"
#include "mta/base/network.h"
#include "mta/intake/key_use.h"
#include "mta/intake/result.h"
#include "spool/types.h"

namespace relay::intake {

// `networks` are the policy's, parsed; `address` is the client's.
std::optional<Refusal> check_network(const spool::KeyPolicy& policy, std::span<const Network> networks,
                                     std::string_view address);
// RFC 5321 4.5.5: the null reverse-path is nobody's, so it passes if the header section is looked at.
std::optional<Refusal> check_reverse_path(const spool::KeyPolicy& policy, std::string_view reverse_path);
// Every mailbox of the one From field, and of Sender if there is one (RFC 5322 3.6.2). A header section that
// another program might read otherwise is refused; raw bytes of whatever character set in a name are no such
// thing. Resent-From and Resent-Sender are not looked at: they are informational (RFC 5322 3.6.6), readers
// and DMARC go by From, and whose message is sent again must be allowed in From.
std::optional<Refusal> check_header(const spool::KeyPolicy& policy, const Body& content,
                                    std::size_t header_bytes);
std::optional<Refusal> check_size(const spool::KeyPolicy& policy, std::uint64_t bytes);
std::optional<Refusal> check_recipients(const spool::KeyPolicy& policy, std::size_t recipients);

// Who shows the key was let in while it counted.
Refusal not_a_key();
Refusal over_limit(const spool::KeyPolicy& policy, const KeyUse::Over& over);

}  // namespace relay::intake
