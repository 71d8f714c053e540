// What is put before a submitted message: Received always (RFC 5321 4.4), Date and Message-ID if they are
// missing (RFC 6409 8.2, 8.3). Pure.
#pragma once
#include <string>

#include "mta/base/clock.h"
#include "mta/base/ids.h"
#include "mta/intake/accept.h"
#include "mta/wire/headers.h"

namespace relay::intake {

struct Completion {
  std::string header;      // whole lines, to stand first
  std::string message_id;  // the message's, in angle brackets: its own or the one made here
};

Completion complete(const Submission& submission, const wire::HeaderScan& headers, const MessageId& id,
                    const std::string& host_name, WallTime now);

}  // namespace relay::intake
