// What becomes of a submission at the door: accepted, or refused and why.
#pragma once
#include <chrono>
#include <expected>
#include <functional>
#include <string_view>

#include "mta/base/clock.h"
#include "mta/base/ids.h"
#include "mta/wire/envelope.h"

namespace relay::intake {

struct Accepted {
  MessageId id;
  WallTime at;
};

// Why mail was refused at this door. What SMTP and HTTP refuse for what it is before they have a message is
// not counted here.
enum class Refused {
  no_recipients,
  too_many_recipients,
  too_large,
  header_too_large,
  loop,
  attributes,   // X-Relay-* fields, or when to send
  too_deep,     // MIME parts in each other
  key,          // it has been revoked
  network,      // the key may not be used from there
  sender,       // the key may not send so
  rate_limit,   // the key's
  daily_limit,  // the key's
  busy,         // too much waits for its commit, or for that of another with its idempotency key
  full,         // no room
  unavailable,  // the store cannot be written now
  failed,       // it could not be stored, and will not be before somebody has seen to the store
};
inline constexpr std::size_t refusals = 16;
std::string_view text(Refused reason);  // "too_large"

struct Refusal {
  Refused reason;
  wire::Reply reply;             // as SMTP says it
  std::chrono::seconds wait{0};  // until it is worth trying again, if that can be told
};
using AcceptResult = std::expected<Accepted, Refusal>;
using Answer = std::move_only_function<void(AcceptResult)>;

}  // namespace relay::intake
