// read_message: the body of POST /v1/messages as a draft and an envelope, or everything that is wrong with
// it. Pure.
//
// Faults are gathered, not thrown one by one. Members that are null count as absent; members that nobody
// knows are faults. The envelope's recipients are those of to, cc and bcc in that order, an address named
// twice once; its reverse-path is the address of from.
#pragma once
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "mta/mime/compose.h"
#include "mta/wire/envelope.h"
#include "relay-api/problem.h"
#include "relay-api/settings.h"

namespace relay::api {

struct MessageRequest {
  mime::Draft draft;
  wire::Envelope envelope;
  std::vector<std::string> tags;
};

std::expected<MessageRequest, Problem> read_message(std::string_view body, const ApiSettings& settings);

// 415 unless the request says it is JSON, in UTF-8 (RFC 8259 8.1), uncompressed.
std::optional<Problem> refuse_unless_json(const net::HttpRequest& request);

// What compose refused, as the fault it is: its message begins with the pointer.
Problem compose_problem(const Error& error);

}  // namespace relay::api
